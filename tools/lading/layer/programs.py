"""Programs in an image: whether one could start there at all.

A program that is there and executable still fails with "no such file or directory" when its
interpreter is not: the dynamic loader of an ELF file, or what a script names after `#!`.
"""

from __future__ import annotations

import struct

from lading.layer.view import DIRECTORY, FILE, View

__all__ = ["find_program", "why_not_runnable"]

#: e_machine by GOARCH (ELF gABI, "Machine"; image-spec uses Go's names).
_MACHINES = {
    "386": 3, "amd64": 62, "arm": 40, "arm64": 183, "loong64": 258, "mips": 8, "mipsle": 8,
    "mips64": 8, "mips64le": 8, "ppc64": 21, "ppc64le": 21, "riscv64": 243, "s390x": 22,
}  # fmt: skip
_PT_INTERP = 3
#: The head of a program that is looked at, in bytes: headers and the interpreter's path.
_HEAD = 64 << 20
_MAX_SCRIPTS = 4


def find_program(view: View, name: str, path: str) -> str | None:
    """Where the program `name` is: itself if it has a slash, else in the directories of `path`."""
    if "/" in name:
        return name if view.find(name) is not None else None
    for directory in path.split(":"):
        candidate = f"{directory.rstrip('/')}/{name}"
        node = view.find(candidate)
        if node is not None and node.type == FILE and node.mode & 0o111:
            return candidate
    return None


def why_not_runnable(view: View, path: str, architecture: str, *, depth: int = 0) -> str:
    """Why the program at `path` cannot start, or an empty string when nothing speaks against it.

    Args:
        view: the image's files.
        path: absolute, as a container would be told.
        architecture: GOARCH of the image; an unknown one is not compared.
        depth: how many scripts led here.
    """
    node = view.find(path)
    if node is None:
        if view.find(path, follow=False) is not None:
            return f"{path} is a link to nothing"
        return f"{path} does not exist"
    if node.type == DIRECTORY:
        return f"{path} is a directory"
    if node.type != FILE:
        return f"{path} is no regular file"
    if not node.mode & 0o111:
        return f"{path} is not executable (mode {node.mode:04o})"
    head = view.head(node, _HEAD)
    if head.startswith(b"#!"):
        interpreter = head[2:256].split(b"\n")[0].strip().split()
        if not interpreter:
            return f"{path} starts with #! and no interpreter"
        if depth >= _MAX_SCRIPTS:
            return f"{path} is a script for a script for a script"
        name = interpreter[0].decode("utf-8", "replace")
        reason = why_not_runnable(view, name, architecture, depth=depth + 1)
        return f"{path} needs {name}: {reason}" if reason else ""
    if head.startswith(b"\x7fELF"):
        return _elf(view, path, head, architecture)
    return "" if not head.startswith(b"MZ") else f"{path} is a Windows program"


def _elf(view: View, path: str, head: bytes, architecture: str) -> str:
    try:
        machine, interpreter = _read_elf(head)
    except (struct.error, IndexError, ValueError):
        return f"{path} is a damaged ELF file"
    wanted = _MACHINES.get(architecture)
    if wanted is not None and machine != wanted:
        known = sorted(name for name, number in _MACHINES.items() if number == machine)
        return f"{path} is for {'/'.join(known) or f'machine {machine}'}, not {architecture}"
    if interpreter and view.find(interpreter) is None:
        return f"{path} needs the loader {interpreter}, which is not in the image"
    return ""


def _read_elf(head: bytes) -> tuple[int, str]:
    """(e_machine, path of the interpreter or empty) of an ELF file."""
    wide, little = {1: False, 2: True}[head[4]], {1: True, 2: False}[head[5]]
    order = "<" if little else ">"
    (machine,) = struct.unpack_from(order + "H", head, 18)
    if wide:
        (table,) = struct.unpack_from(order + "Q", head, 32)
        size, count = struct.unpack_from(order + "HH", head, 54)
    else:
        (table,) = struct.unpack_from(order + "I", head, 28)
        size, count = struct.unpack_from(order + "HH", head, 42)
    for number in range(count):
        at = table + number * size
        if wide:
            kind, _, offset, _, _, length = struct.unpack_from(order + "IIQQQQ", head, at)
        else:
            kind, offset, _, _, length = struct.unpack_from(order + "IIIII", head, at)
        if kind == _PT_INTERP:
            return machine, head[offset : offset + length].rstrip(b"\0").decode()
    return machine, ""
