"""What whoever runs an image relies on: its program, arguments, variables, ports and mounts."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lading.commands.structure import Result
from lading.layer.programs import find_program, why_not_runnable
from lading.layer.view import DIRECTORY, View
from lading.oci.environment import DEFAULT_PATH

__all__ = ["check"]


def check(contract: Mapping[str, Any], view: View, image: Mapping[str, Any]) -> Iterator[Result]:
    """Compares an image with a contract.

    Args:
        contract: any of `binary` (a path), `args` (words), `env` (variables; an empty value
            stands for any), `mounts`, `ports`, `volumes` (lists), `user`, `nonroot`.
        view: the image's files.
        image: its config (image-spec, config.md).
    """
    config = image.get("config") or {}
    command = [*(config.get("Entrypoint") or []), *(config.get("Cmd") or [])]
    env = dict(entry.split("=", 1) for entry in config.get("Env") or [] if "=" in entry)
    if binary := contract.get("binary"):
        yield Result(
            f"binary {binary}", why_not_runnable(view, binary, image.get("architecture", ""))
        )
        yield Result(f"{binary} is what starts", _starts(view, binary, command, env))
    if args := contract.get("args"):
        found = _contains(command[1:], args)
        shown = " ".join(args)
        yield Result(f"arguments {shown}", "" if found else f"the image starts {command}")
    for name, value in (contract.get("env") or {}).items():
        if name not in env:
            yield Result(f"env {name}", f"{name} is not set")
        else:
            same = not value or env[name] == value
            yield Result(f"env {name}", "" if same else f"{name} is {env[name]!r}, not {value!r}")
    for path in contract.get("mounts") or []:
        yield Result(f"mount {path}", _mountable(view, path))
    for path in contract.get("volumes") or []:
        declared = path in (config.get("Volumes") or {})
        yield Result(f"volume {path}", "" if declared else f"{path} is not declared a volume")
    ports = config.get("ExposedPorts") or {}
    for port in contract.get("ports") or []:
        wanted = port if "/" in port else f"{port}/tcp"
        yield Result(f"port {port}", "" if wanted in ports else f"{wanted} is not exposed")
    user = config.get("User") or ""
    if "user" in contract:
        same = user == contract["user"]
        yield Result("user", "" if same else f"the user is {user!r}, not {contract['user']!r}")
    if contract.get("nonroot"):
        root = user.partition(":")[0] in ("", "0", "root")
        yield Result("nonroot", f"the user is {user or 'root'!r}" if root else "")


def _starts(view: View, binary: str, command: Sequence[str], env: Mapping[str, str]) -> str:
    if not command:
        return "the image has neither entrypoint nor cmd"
    found = find_program(view, command[0], env.get("PATH", DEFAULT_PATH))
    if found is None:
        return f"the image starts {command[0]!r}, which does not exist"
    return "" if view.resolve(found) == view.resolve(binary) else f"the image starts {found}"


def _contains(words: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether `wanted` is in `words`, side by side."""
    length = len(wanted)
    return any(
        list(words[start : start + length]) == list(wanted)
        for start in range(len(words) - length + 1)
    )


def _mountable(view: View, path: str) -> str:
    """Why nothing can be mounted at `path`: a read-only image cannot be given a directory."""
    if view.find(path) is not None:
        return ""
    parent = posixpath.dirname(path.rstrip("/"))
    node = view.find(parent)
    if node is None:
        return f"neither {path} nor {parent} exists"
    return "" if node.type == DIRECTORY else f"{parent} is no directory"
