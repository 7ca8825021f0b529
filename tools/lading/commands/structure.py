"""The checks of container-structure-test configurations, on files and config of an image.

Nothing is unpacked and no container is started; tests of commands are for somebody with an engine.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lading.commands.structure_config import Config, strings
from lading.errors import InputError
from lading.layer.view import DIRECTORY, FILE, SYMLINK, Node, View

__all__ = ["Result", "check", "matches"]

_MAX_CONTENT = 64 * 1024 * 1024
_EXECUTABLE = {"owner": 0o100, "group": 0o010, "other": 0o001, "any": 0o111, "": 0}
_KINDS = {SYMLINK: stat.S_IFLNK, DIRECTORY: stat.S_IFDIR, FILE: stat.S_IFREG}


@dataclass(frozen=True, slots=True)
class Result:
    """One check: its name, and what is wrong, empty when nothing is."""

    name: str
    problem: str = ""


def check(config: Config, view: View, image: Mapping[str, Any]) -> list[Result]:
    """Runs every check that needs no container.

    Args:
        config: what to check.
        view: the image's files.
        image: its config (image-spec, config.md).
    """
    files = config.value.get("fileExistenceTests") or []
    results = [Result(f"file: {item['name']}", _existence(view, item)) for item in files]
    for item in config.value.get("fileContentTests") or []:
        results += [Result(f"content: {item['name']}", _content(view, item))]
    if metadata := config.value.get("metadataTest"):
        results += _metadata(metadata, image.get("config") or {})
    return results


def _existence(view: View, item: Mapping[str, Any]) -> str:
    path = item["path"]
    node = view.find(path, follow=False)
    if not item.get("shouldExist", True):
        return f"{path} exists" if node is not None else ""
    if node is None:
        return f"{path} does not exist"
    problems = []
    if (wanted := item.get("permissions")) and wanted not in _permissions(node):
        problems.append(f"permissions are {_permissions(node)[0]}, not {wanted}")
    for key, found in (("uid", node.uid), ("gid", node.gid)):
        if key in item and item[key] is not None and int(item[key]) not in (-1, found):
            problems.append(f"{key} is {found}, not {item[key]}")
    who = item.get("isExecutableBy") or ""
    if who not in _EXECUTABLE:
        problems.append(f"isExecutableBy {who!r} is none of owner, group, other, any")
    elif who and not node.mode & _EXECUTABLE[who]:
        problems.append(f"it is not executable by {who} ({_permissions(node)[0]})")
    return f"{path}: {'; '.join(problems)}" if problems else ""


def _permissions(node: Node) -> tuple[str, str]:
    """As `ls` shows them, and as Go does."""
    shown = stat.filemode(_KINDS.get(node.type, 0) | node.mode)
    special = "".join(
        letter for bit, letter in ((0o4000, "u"), (0o2000, "g"), (0o1000, "t")) if node.mode & bit
    )
    kind = {SYMLINK: "L", DIRECTORY: "d"}.get(node.type, "")
    go = (kind + special or "-") + stat.filemode(node.mode & 0o777)[1:]
    return shown, go


def _content(view: View, item: Mapping[str, Any]) -> str:
    path = item["path"]
    node = view.find(path)
    if node is None or node.type != FILE:
        return f"{path} does not exist" if node is None else f"{path} is no regular file"
    text = view.read(node, limit=_MAX_CONTENT).decode("utf-8", "replace")
    return matches(text, strings(item, "expectedContents"), strings(item, "excludedContents"), path)


def matches(text: str, expected: Sequence[str], excluded: Sequence[str], what: str) -> str:
    """Why `text` is not as wanted, or an empty string; raises InputError for a bad pattern."""
    for pattern in expected:
        if not _search(pattern, text):
            return f"{what} does not match {pattern!r}: {text[:200]!r}"
    for pattern in excluded:
        if _search(pattern, text):
            return f"{what} matches {pattern!r}, which it must not"
    return ""


def _search(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error as error:
        raise InputError(f"{pattern!r} is not a regular expression: {error}") from None


def _metadata(wanted: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[Result]:
    env = dict(entry.split("=", 1) for entry in config.get("Env") or [] if "=" in entry)
    for key in ("env", "envVars"):
        for item in wanted.get(key) or []:
            yield _pair("env", item, env)
    for item in wanted.get("unboundEnvVars") or []:
        name = item["key"]
        yield Result(f"unboundEnvVars: {name}", f"{name} is set" if name in env else "")
    for item in wanted.get("labels") or []:
        yield _pair("label", item, config.get("Labels") or {})
    for key, name in (("entrypoint", "Entrypoint"), ("cmd", "Cmd")):
        if wanted.get(key) is not None:
            found = config.get(name) or []
            problem = "" if found == wanted[key] else f"{key} is {found}, not {wanted[key]}"
            yield Result(key, problem)
    for key, name in (("workdir", "WorkingDir"), ("user", "User")):
        if wanted.get(key) is not None:
            text, found = str(wanted[key]), config.get(name) or ""
            yield Result(key, "" if found == text else f"{key} is {found!r}, not {text!r}")
    ports = {port.removesuffix("/tcp") for port in config.get("ExposedPorts") or {}}
    for port in map(str, wanted.get("exposedPorts") or []):
        known = port.removesuffix("/tcp") in ports
        yield Result(f"exposedPorts: {port}", "" if known else f"{port} is not exposed")
    for port in map(str, wanted.get("unexposedPorts") or []):
        known = port.removesuffix("/tcp") in ports
        yield Result(f"unexposedPorts: {port}", f"{port} is exposed" if known else "")
    volumes = config.get("Volumes") or {}
    for path in wanted.get("volumes") or []:
        yield Result(f"volumes: {path}", "" if path in volumes else f"{path} is no volume")
    for path in wanted.get("unmountedVolumes") or []:
        yield Result(f"unmountedVolumes: {path}", f"{path} is a volume" if path in volumes else "")


def _pair(kind: str, item: Mapping[str, Any], found: Mapping[str, str]) -> Result:
    key, value = item["key"], str(item.get("value", ""))
    name = f"{kind}: {key}"
    if key not in found:
        return Result(name, f"{key} is not set")
    equal = _search(f"^(?:{value})$", found[key]) if item.get("isRegex") else found[key] == value
    return Result(name, "" if equal else f"{key} is {found[key]!r}, not {value!r}")
