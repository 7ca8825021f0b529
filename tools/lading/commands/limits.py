"""The limits of a store, as flags and policy files give them (S1.7)."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from lading.commands import entry, flags
from lading.errors import InputError, NotFoundError
from lading.store import sizes
from lading.store.prune import KeepLast, Policy

__all__ = ["define", "read"]

#: Where the workspace's own limits are, when `bazel run` starts the command.
_POLICY = "images/cleanup.yaml"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_KEYS = {"max_total_size", "max_age", "min_free", "keep_last", "remove_loaded"}
_Number = TypeVar("_Number", int, float)
_YES, _NO = {"true", "yes", "on"}, {"false", "no", "off", "none"}


def define(values: flags.FlagValues) -> None:
    """Defines the flags of limits."""
    flags.define_string("policy", "", "File with limits (YAML).", flag_values=values)
    flags.define_string("max_total_size", "", "Most bytes of archives: 20G.", flag_values=values)
    flags.define_string("max_age", "", "Longest time unused: 30d, 12h.", flag_values=values)
    flags.define_string("min_free", "", "Least bytes left on the disk: 5G.", flag_values=values)
    flags.define_multi_string(
        "keep_last", [], "N, or PATTERN=N: the newest N of each project.", flag_values=values
    )
    flags.define_bool("remove_loaded", None, "Also from the engines.", flag_values=values)


def read(values: flags.FlagValues) -> tuple[Policy, bool]:
    """The limits, and whether images go from the engines too.

    Raises NotFoundError for a file that is not there, InputError for a value that says nothing.
    """
    given = _file(entry.here(values.policy)) if values.policy else _of_the_workspace()
    for key in ("max_total_size", "max_age", "min_free"):
        if getattr(values, key):
            given[key] = getattr(values, key)
    if values.keep_last:
        pairs = [text.rpartition("=") for text in values.keep_last]
        given["keep_last"] = {pattern or "*": count for pattern, _, count in pairs}
    if values.remove_loaded is not None:
        given["remove_loaded"] = values.remove_loaded
    policy = Policy(
        _limit(given, "max_total_size", sizes.parse),
        _limit(given, "max_age", _seconds),
        _limit(given, "min_free", sizes.parse),
        tuple(KeepLast(key, _count(value)) for key, value in given.get("keep_last", {}).items()),
    )
    return policy, bool(given.get("remove_loaded"))


def _limit(given: Mapping[str, Any], key: str, parse: Callable[[str], _Number]) -> _Number | None:
    if (value := given.get(key)) is None:
        return None
    try:
        return parse(str(value))
    except InputError as error:
        raise error.about(key) from None


def _of_the_workspace() -> dict[str, Any]:
    path = Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY", ""), _POLICY)
    if "BUILD_WORKSPACE_DIRECTORY" not in os.environ or not path.exists():
        return {}
    print(f"lading: limits are those of {path}", file=sys.stderr)
    return _file(path)


def _file(path: Path) -> dict[str, Any]:
    from lading import yamltext

    try:
        data = path.read_bytes()
    except OSError as error:
        raise NotFoundError(f"{path} cannot be read: {error.strerror}") from None
    value = yamltext.load(data, what=str(path))
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(f"{path} is not a mapping", fix=f"write one of {', '.join(sorted(_KEYS))}")
    yamltext.check_keys(value, _KEYS, what=str(path))
    keep = value.get("keep_last", {})
    if isinstance(keep, int):
        value["keep_last"] = {"*": keep}
    elif not isinstance(keep, dict):
        raise InputError(f"{path}: keep_last is no number and no mapping of patterns to numbers")
    loaded = str(value.get("remove_loaded")).lower()
    if loaded not in _YES | _NO:
        raise InputError(f"{path}: remove_loaded is {loaded!r:.40}", fix="write true or false")
    value["remove_loaded"] = loaded in _YES
    return dict(value)


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text.strip())
    if match is None:
        raise InputError(f"{text!r:.40} is not a time", fix="write 30d, 12h or 90m")
    return float(match[1]) * _UNITS[match[2]]


def _count(value: object) -> int:
    if not re.fullmatch(r"\d{1,9}", str(value)):
        raise InputError(f"keep_last: {value!r:.40} is not a number of images")
    return int(str(value))
