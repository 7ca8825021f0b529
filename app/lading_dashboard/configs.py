"""Image configs read tolerantly: what is odd becomes a remark, the rest is kept."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lading.errors import LadingError
from lading.oci import document
from lading.oci.descriptor import Descriptor
from lading.oci.platform import Platform
from lading_dashboard.images import Config

__all__ = ["parse_config"]

#: The history's `created_by` for each layer; remarks for a person.
_Steps = tuple[str, ...]
_Remarks = tuple[str, ...]


def parse_config(
    data: bytes, descriptor: Descriptor, layers: int
) -> tuple[Config, _Steps, _Remarks]:
    """Reads an image config (image-spec 1.1, config.md).

    Args:
        data: the document.
        descriptor: what points at it.
        layers: how many layers the manifest has.

    Returns:
        The config; the history's `created_by` of each layer, empty when the history does not
        match the layers; and remarks on what is wrong.

    Raises:
        CorruptError: it is no JSON object.
    """
    value = document.loads_object(data, what="the config")
    remarks: list[str] = []

    def texts(holder: Mapping[str, Any], key: str) -> tuple[str, ...]:
        found = holder.get(key)
        if found is None:
            return ()
        if isinstance(found, list) and all(isinstance(item, str) for item in found):
            return tuple(found)
        remarks.append(f"{key} of the config is not a list of strings")
        return ()

    def text(holder: Mapping[str, Any], key: str) -> str:
        found = holder.get(key)
        if found is None or isinstance(found, str):
            return found or ""
        remarks.append(f"{key} of the config is not a string")
        return ""

    def mapping(holder: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        found = holder.get(key)
        if found is None or isinstance(found, dict):
            return found or {}
        remarks.append(f"{key} of the config is not an object")
        return {}

    run = mapping(value, "config")
    labels = mapping(run, "Labels")
    created = None
    if stated := text(value, "created"):
        created = _time(stated)
        if created is None:
            remarks.append(f"created of the config is not a date: {stated:.60}")
    diff_ids = texts(mapping(value, "rootfs"), "diff_ids")
    if len(diff_ids) != layers:
        remarks.append(f"the config has {len(diff_ids)} diff_ids for {layers} layers")
    config = Config(
        digest=descriptor.digest,
        size=descriptor.size,
        platform=_platform(value, remarks),
        created=created,
        author=text(value, "author"),
        user=text(run, "User"),
        entrypoint=texts(run, "Entrypoint"),
        cmd=texts(run, "Cmd"),
        working_dir=text(run, "WorkingDir"),
        stop_signal=text(run, "StopSignal"),
        env_names=tuple(item.partition("=")[0] for item in texts(run, "Env")),
        ports=tuple(sorted(mapping(run, "ExposedPorts"))),
        volumes=tuple(sorted(mapping(run, "Volumes"))),
        labels={key: str(item) for key, item in sorted(labels.items())},
    )
    return config, _steps(value, layers), tuple(remarks)


def _time(text: str) -> datetime | None:
    """Reads an RFC 3339 date and time; None if it is none that a calendar has."""
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _platform(value: Mapping[str, Any], remarks: list[str]) -> Platform | None:
    try:
        found = Platform.from_json(value, what="the config")
    except LadingError as error:
        remarks.append(error.what)
        return None
    return found if str(found) else None


def _steps(value: Mapping[str, Any], layers: int) -> _Steps:
    history = value.get("history")
    entries = history if isinstance(history, list) else []
    made = [item for item in entries if isinstance(item, dict) and not item.get("empty_layer")]
    if len(made) != layers:
        return ("",) * layers
    steps = (item.get("created_by") for item in made)
    return tuple(step if isinstance(step, str) else "" for step in steps)
