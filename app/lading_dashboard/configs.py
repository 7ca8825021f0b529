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
    remarks: list[str] = []
    value = document.loads_object(data, what="the config")
    top = _Object(value, remarks)
    run = top.object("config")
    created = None
    if stated := top.text("created"):
        created = _time(stated)
        if created is None:
            remarks.append(f"created of the config is not a date: {stated:.60}")
    diff_ids = top.object("rootfs").texts("diff_ids")
    if len(diff_ids) != layers:
        remarks.append(f"the config has {len(diff_ids)} diff_ids for {layers} layers")
    config = Config(
        digest=descriptor.digest,
        size=descriptor.size,
        platform=_platform(value, remarks),
        created=created,
        author=top.text("author"),
        user=run.text("User"),
        entrypoint=run.texts("Entrypoint"),
        cmd=run.texts("Cmd"),
        working_dir=run.text("WorkingDir"),
        stop_signal=run.text("StopSignal"),
        env_names=tuple(item.partition("=")[0] for item in run.texts("Env")),
        ports=tuple(sorted(run.mapping("ExposedPorts"))),
        volumes=tuple(sorted(run.mapping("Volumes"))),
        labels={key: str(item) for key, item in sorted(run.mapping("Labels").items())},
    )
    return config, _steps(value, layers), tuple(remarks)


class _Object:
    """An object of the config. A field of the wrong kind is a remark, and as good as absent."""

    def __init__(self, value: Mapping[str, Any], remarks: list[str]) -> None:
        self._value = value
        self._remarks = remarks

    def object(self, key: str) -> _Object:
        return _Object(self.mapping(key), self._remarks)

    def mapping(self, key: str) -> Mapping[str, Any]:
        found = self._value.get(key)
        if found is None or isinstance(found, dict):
            return found or {}
        self._remarks.append(f"{key} of the config is not an object")
        return {}

    def text(self, key: str) -> str:
        found = self._value.get(key)
        if found is None or isinstance(found, str):
            return found or ""
        self._remarks.append(f"{key} of the config is not a string")
        return ""

    def texts(self, key: str) -> tuple[str, ...]:
        found = self._value.get(key)
        if found is None:
            return ()
        if isinstance(found, list) and all(isinstance(item, str) for item in found):
            return tuple(found)
        self._remarks.append(f"{key} of the config is not a list of strings")
        return ()


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
