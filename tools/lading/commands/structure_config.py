"""The configurations of container-structure-test, read: what to check, and nothing misspelt.

https://github.com/GoogleContainerTools/container-structure-test, schema 2.0.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lading import yamltext
from lading.errors import InputError

__all__ = ["Command", "Config", "read", "strings"]


def _is_text(value: object) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def _is_name(value: object) -> bool:
    return isinstance(value, str)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_number(value: object) -> bool:
    return _is_text(value) and str(value).removeprefix("-").isdecimal()


def _is_list(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_texts(value: object) -> bool:
    return _is_text(value) or _is_list(value)


def _is_pairs(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, dict)
        and _is_name(item.get("key"))
        and _is_text(item.get("value", ""))
        and _is_flag(item.get("isRegex", False))
        for item in value
    )


_Kind = tuple[Callable[[object], bool], str]
_NAME: _Kind = (_is_name, "a text, which has to be there")
_TEXT: _Kind = (_is_text, "a text")
_FLAG: _Kind = (_is_flag, "true or false")
_NUMBER: _Kind = (_is_number, "a number")
_LIST: _Kind = (_is_list, "a list of texts")
_TEXTS: _Kind = (_is_texts, "a text, or a list of texts")
_PAIRS: _Kind = (_is_pairs, "a list of {key: …, value: …}")
_ANY: _Kind = (lambda _: True, "")

#: Every key of each part, and what its value is.
_KEYS: Mapping[str, Mapping[str, _Kind]] = {
    "commandTests": {
        "name": _NAME,
        "command": _NAME,
        "args": _LIST,
        "envVars": _PAIRS,
        "expectedOutput": _TEXTS,
        "excludedOutput": _TEXTS,
        "expectedError": _TEXTS,
        "excludedError": _TEXTS,
        "exitCode": _NUMBER,
        "setup": _ANY,
        "teardown": _ANY,
    },
    "fileExistenceTests": {
        "name": _NAME,
        "path": _NAME,
        "shouldExist": _FLAG,
        "permissions": _TEXT,
        "uid": _NUMBER,
        "gid": _NUMBER,
        "isExecutableBy": _TEXT,
    },
    "fileContentTests": {
        "name": _NAME,
        "path": _NAME,
        "expectedContents": _TEXTS,
        "excludedContents": _TEXTS,
    },
    "metadataTest": {
        "env": _PAIRS,
        "envVars": _PAIRS,
        "unboundEnvVars": _PAIRS,
        "labels": _PAIRS,
        "entrypoint": _LIST,
        "cmd": _LIST,
        "exposedPorts": _LIST,
        "unexposedPorts": _LIST,
        "volumes": _LIST,
        "unmountedVolumes": _LIST,
        "workdir": _TEXT,
        "user": _TEXT,
    },
}
_TOP = {*_KEYS, "schemaVersion", "globalEnvVars", "licenseTests"}


@dataclass(frozen=True, slots=True)
class Command:
    """A command test: what to run, and what has to come of it. Texts are regular expressions."""

    name: str
    words: tuple[str, ...]
    env: Mapping[str, str]
    exit_code: int
    expected_output: tuple[str, ...]
    excluded_output: tuple[str, ...]
    expected_error: tuple[str, ...]
    excluded_error: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration, checked: `value` holds its parts under their own names."""

    what: str
    value: Mapping[str, Any]
    commands: tuple[Command, ...]


def read(data: bytes, *, what: str) -> Config:
    """Reads a configuration, YAML or JSON.

    Raises:
        InputError: it is malformed, or asks for something that is not offered.
    """
    value = yamltext.load(data, what=what)
    if not isinstance(value, dict):
        raise InputError(f"{what} is not a mapping", fix="start with schemaVersion: 2.0.0")
    version = str(value.get("schemaVersion", ""))
    if version.partition(".")[0] != "2":
        raise InputError(f"{what} has the schemaVersion {version!r}", fix="write 2.0.0")
    yamltext.check_keys(value, _TOP, what=what)
    if value.get("licenseTests"):
        raise InputError(f"{what}: licenseTests are not offered", fix="remove them")
    _check(value.get("globalEnvVars"), _PAIRS, f"{what}: 'globalEnvVars'")
    for part, keys in _KEYS.items():
        items = value.get(part) or []
        if part == "metadataTest":
            items = [items or {}]
        if not isinstance(items, list):
            raise InputError(f"{what}: {part} is no list")
        for item in items:
            _check_keys(item, keys, f"{what}, {part}")
    return Config(what, value, tuple(_commands(value, what)))


def _check_keys(item: object, kinds: Mapping[str, _Kind], what: str) -> None:
    if not isinstance(item, dict):
        raise InputError(f"{what}: {item!r:.80} is not a mapping")
    yamltext.check_keys(item, kinds, what=what)
    for key, kind in kinds.items():
        if kind is _NAME and key not in item:
            raise InputError(f"{what}: {key!r} is missing")
        _check(item.get(key), kind, f"{what}: {key!r}", needed=kind is _NAME)


def _check(value: object, kind: _Kind, what: str, *, needed: bool = False) -> None:
    """Raises InputError for a value of another kind; null is as good as absent."""
    is_right, name = kind
    if (value is not None or needed) and not is_right(value):
        raise InputError(f"{what} is {value!r:.80}, not {name}")


def _commands(value: Mapping[str, Any], what: str) -> Iterator[Command]:
    shared = {item["key"]: str(item.get("value", "")) for item in value.get("globalEnvVars") or []}
    for item in value.get("commandTests") or []:
        if item.get("setup") or item.get("teardown"):
            raise InputError(
                f"{what}: the command test {item['name']!r} has a setup or teardown",
                fix="make them part of its command: sh -c '…'",
            )
        own = {pair["key"]: str(pair.get("value", "")) for pair in item.get("envVars") or []}
        yield Command(
            item["name"],
            (item["command"], *map(str, item.get("args") or [])),
            shared | own,
            int(item.get("exitCode") or 0),
            *(
                strings(item, key)
                for key in ("expectedOutput", "excludedOutput", "expectedError", "excludedError")
            ),
        )


def strings(item: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The texts under `key`, of which there may be one, several or none."""
    value = item.get(key)
    if value is None:
        return ()
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)
