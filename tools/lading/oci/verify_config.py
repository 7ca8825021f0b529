"""Rules of image configurations (image-spec 1.1, config.md; Docker image specification 1.2)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lading.errors import LadingError
from lading.oci import document
from lading.oci.digest import Digest
from lading.oci.platform import Platform
from lading.oci.verify_descriptor import check_digest, check_platform
from lading.oci.verify_json import list_of_strings, map_of_strings, parse_object, show
from lading.oci.verify_rules import Findings

__all__ = ["CheckedConfig", "check_config", "is_for_no_platform"]

_PORT = re.compile(r"[0-9]{1,5}(-[0-9]{1,5})?(/(tcp|udp|sctp))?")
_TIME = re.compile(
    r"[0-9]{4}-[0-1][0-9]-[0-3][0-9][Tt][0-2][0-9]:[0-5][0-9]:[0-6][0-9](\.[0-9]+)?"
    r"([Zz]|[+-][0-2][0-9]:[0-5][0-9])"
)


@dataclass(frozen=True, slots=True)
class CheckedConfig:
    """What an image says of itself. A diff_id that is no digest is None; `diff_ids` is None when
    there is no list of them at all."""

    platform: Platform | None
    diff_ids: tuple[Digest | None, ...] | None


def is_for_no_platform(data: bytes) -> bool:
    """Whether this is the config of a statement about an image, such as BuildKit and cosign write.

    Their manifests are those of images, whose layers are no file systems.
    """
    try:
        value = document.loads_object(data, what="")
    except LadingError:
        return False
    return (value.get("os"), value.get("architecture")) in (("", ""), ("unknown", "unknown"))


def check_config(
    data: bytes, *, layers: int, subject: str, found: Findings
) -> CheckedConfig | None:
    """Reads the configuration of an image of so many `layers`, noting its faults."""
    value = parse_object(data, subject=subject, found=found)
    if value is None:
        return None
    platform = _check_platform(value, subject=subject, found=found)
    _field(value, "author", "", _is_text, "a string", subject=subject, found=found)
    _field(value, "created", "", _is_time, "an RFC 3339 time", subject=subject, found=found)
    _check_runtime(value.get("config"), subject=subject, found=found)
    diff_ids = _check_rootfs(value.get("rootfs"), subject=subject, found=found)
    if diff_ids is not None and len(diff_ids) != layers:
        found.add(
            "diff-id-count",
            subject,
            f"{len(diff_ids)} diff_ids, {layers} layers in the manifest",
            at="/rootfs/diff_ids",
        )
    _check_history(value.get("history"), layers, subject=subject, found=found)
    return CheckedConfig(platform, diff_ids)


def _check_platform(value: dict[str, Any], *, subject: str, found: Findings) -> Platform | None:
    lacking = [key for key in ("os", "architecture") if value.get(key) in (None, "")]
    for key in lacking:
        found.add("config-platform", subject, f"{key} is missing or empty", at=f"/{key}")
    if lacking:
        return None
    keys = ("os", "architecture", "variant", "os.version", "os.features")
    own = {key: value[key] for key in keys if value.get(key) is not None}
    return check_platform(own, subject=subject, at="", found=found)


def _check_rootfs(
    rootfs: object, *, subject: str, found: Findings
) -> tuple[Digest | None, ...] | None:
    if not isinstance(rootfs, dict):
        found.add("rootfs-diff-ids", subject, f"rootfs is {show(rootfs)}", at="/rootfs")
        return None
    if rootfs.get("type") != "layers":
        found.add("rootfs-type", subject, f"it is {show(rootfs.get('type'))}", at="/rootfs/type")
    items = rootfs.get("diff_ids")
    if items is None and "diff_ids" in rootfs:
        items = []  # how Go programs write an empty list
    if not isinstance(items, list):
        found.add("rootfs-diff-ids", subject, f"it is {show(items)}", at="/rootfs/diff_ids")
        return None
    return tuple(
        check_digest(item, subject=subject, at=f"/rootfs/diff_ids/{number}", found=found)
        for number, item in enumerate(items)
    )


def _check_history(history: object, layers: int, *, subject: str, found: Findings) -> None:
    if history in (None, []):
        return  # optional
    if not isinstance(history, list) or not all(isinstance(item, dict) for item in history):
        found.add("config-field", subject, f"history is {show(history)}", at="/history")
        return
    for number, item in enumerate(history):
        at = f"/history/{number}"
        for key in ("author", "created_by", "comment"):
            _field(item, key, at, _is_text, "a string", subject=subject, found=found)
        _field(item, "created", at, _is_time, "an RFC 3339 time", subject=subject, found=found)
        _field(item, "empty_layer", at, _is_bool, "a boolean", subject=subject, found=found)
    filled = sum(item.get("empty_layer") is not True for item in history)
    if filled != layers:
        found.add(
            "history-count",
            subject,
            f"{filled} history entries that are not empty_layer, {layers} layers",
            at="/history",
        )


def _check_runtime(config: object, *, subject: str, found: Findings) -> None:
    if config is None:
        return
    if not isinstance(config, dict):
        found.add("config-field", subject, f"config is {show(config)}", at="/config")
        return
    for key, (test, wanted) in _RUNTIME_FIELDS.items():
        _field(config, key, "/config", test, wanted, subject=subject, found=found)


def _field(
    value: dict[str, Any],
    key: str,
    at: str,
    test: Callable[[object], bool],
    wanted: str,
    *,
    subject: str,
    found: Findings,
) -> None:
    """Notes `value[key]` if it is present, not null, and not what it has to be."""
    item = value.get(key)
    if item is not None and not test(item):
        found.add("config-field", subject, f"{show(item)} is not {wanted}", at=f"{at}/{key}")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _is_time(value: object) -> bool:
    return isinstance(value, str) and _TIME.fullmatch(value) is not None


def _is_list(value: object) -> bool:
    return list_of_strings(value) is not None


def _is_map(value: object) -> bool:
    return map_of_strings(value) is not None


def _is_environment(value: object) -> bool:
    texts = list_of_strings(value)
    return texts is not None and all("=" in text[1:] and "\0" not in text for text in texts)


def _is_set(value: object) -> bool:
    """Go's `map[string]struct{}`."""
    return isinstance(value, dict) and all(item == {} for item in value.values())


def _is_ports(value: object) -> bool:
    return isinstance(value, dict) and _is_set(value) and all(map(_PORT.fullmatch, value))


def _is_directory(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value


_RUNTIME_FIELDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "User": (_is_text, "a string"),
    "ExposedPorts": (_is_ports, "a set of port/protocol"),
    "Env": (_is_environment, "a list of NAME=value"),
    "Entrypoint": (_is_list, "a list of strings"),
    "Cmd": (_is_list, "a list of strings"),
    "Volumes": (_is_set, "a set of paths"),
    "WorkingDir": (_is_directory, "a path"),
    "Labels": (_is_map, "a map of strings"),
    "StopSignal": (_is_text, "a string"),
    "ArgsEscaped": (_is_bool, "a boolean"),
    "OnBuild": (_is_list, "a list of strings"),
    "Shell": (_is_list, "a list of strings"),
    "Healthcheck": (lambda value: isinstance(value, dict), "an object"),
}
