"""What a container runs as: an image config's execution parameters, checked.

image-spec 1.1, config.md, the properties of `config`. Engines accept almost anything here and
fail when the container starts; these checks fail the build.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lading.errors import InputError

__all__ = ["ATTRIBUTES", "parameters"]

#: Engines refuse larger ids.
_MAX_ID = 2**31 - 1
_USER = re.compile(r"[^\s:\x00-\x1f\x7f]+(?::[^\s:\x00-\x1f\x7f]+)?")
_PORT = re.compile(r"([0-9]{1,5})(?:/(tcp|udp|sctp))?")
_SIGNAL = re.compile(
    r"SIG(?:HUP|INT|QUIT|ILL|TRAP|ABRT|IOT|BUS|FPE|KILL|USR[12]|SEGV|PIPE|ALRM|TERM|STKFLT|CHLD"
    r"|CLD|CONT|STOP|TSTP|TTIN|TTOU|URG|XCPU|XFSZ|VTALRM|PROF|WINCH|IO|POLL|PWR|SYS"
    r"|RTMIN(?:\+(?:[0-9]|1[0-5]))?|RTMAX(?:-(?:[0-9]|1[0-4]))?)"
    r"|[1-9]|[1-5][0-9]|6[0-4]"
)
_MAPS = frozenset({"ExposedPorts", "Labels", "Volumes"})
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def parameters(attributes: Mapping[str, Any], *, os: str, what: str) -> dict[str, Any]:
    """The execution parameters that a target's attributes set, under their names in the config.

    Args:
        attributes: any of user, working_dir, stop_signal (strings), entrypoint, cmd,
            exposed_ports, volumes (lists of strings) and labels (a map); others are ignored.
            A key that is absent is inherited.
        os: GOOS of the image, because paths differ.
        what: names the target in an error.

    Returns:
        Config key to value. None stands for an empty string or list: the key is to be removed.

    Raises:
        InputError: a value that is not valid, naming the attribute.
    """
    result: dict[str, Any] = {}
    for attribute, (key, read) in _READERS.items():
        if attribute in attributes:
            value = read(attributes[attribute], os, f"{what}, {attribute}")
            if value or key not in _MAPS:  # maps are merged: an empty one changes nothing
                result[key] = value or None
    return result


def _user(value: object, _os: str, what: str) -> str:
    text = _string(value, what)
    words = text.split(":")
    if text and (
        not _USER.fullmatch(text)
        or any(word.isascii() and word.isdigit() and int(word) > _MAX_ID for word in words)
    ):
        raise InputError(
            f"{what}: {text!r:.80} is not a user",
            fix=f"write user, uid, user:group or uid:gid; ids go up to {_MAX_ID}",
        )
    return text


def _working_dir(value: object, os: str, what: str) -> str:
    text = _string(value, what)
    return _absolute(text, os, what) if text else ""


def _absolute(text: str, os: str, what: str) -> str:
    rooted = text.startswith("/") or (os == "windows" and _DRIVE.match(text))
    parts = re.split(r"[\\/]" if os == "windows" else "/", text)
    if not rooted or ".." in parts or any(ord(char) < 0x20 for char in text):
        raise InputError(
            f"{what}: {text!r:.120} is not an absolute path in the image",
            fix="write a path that starts with / and has no '..'",
        )
    return text


def _stop_signal(value: object, _os: str, what: str) -> str:
    text = _string(value, what)
    if text and not _SIGNAL.fullmatch(text):
        raise InputError(
            f"{what}: {text!r:.80} is not a signal",
            fix="write a name, SIGTERM or SIGRTMIN+3, or a number from 1 to 64",
        )
    return text


def _command(value: object, _os: str, what: str) -> list[str]:
    words = _strings(value, what)
    if words and not words[0]:
        raise InputError(f"{what}: the first word is empty", fix="an empty list unsets it")
    return words


def _exposed_ports(value: object, _os: str, what: str) -> dict[str, Any]:
    ports: dict[str, Any] = {}
    for text in _strings(value, what):
        match = _PORT.fullmatch(text)
        if not match or not 1 <= int(match[1]) <= 65535:
            raise InputError(
                f"{what}: {text!r:.80} is not a port",
                fix="write a number from 1 to 65535, with /tcp, /udp or /sctp: 8080/tcp",
            )
        ports[f"{int(match[1])}/{match[2] or 'tcp'}"] = {}
    return ports


def _volumes(value: object, os: str, what: str) -> dict[str, Any]:
    return {_absolute(text, os, what): {} for text in _strings(value, what)}


def _labels(value: object, _os: str, what: str) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise InputError(f"{what}: {value!r:.80} is not a map of strings")
    for key, text in value.items():
        if not key or any(ord(char) < 0x20 for char in key):
            raise InputError(
                f"{what}: {key!r:.80} is not the name of a label",
                fix="use a name such as org.opencontainers.image.title",
            )
        _string(text, f"{what}[{key!r:.80}]")
    return dict(value)


def _string(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{what}: {value!r:.80} is not a string")
    if "\0" in value:
        raise InputError(f"{what}: {value!r:.80} holds a null character")
    return value


def _strings(value: object, what: str) -> list[str]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise InputError(f"{what}: {value!r:.80} is not a list of strings")
    return [_string(item, what) for item in value]


_READERS: dict[str, tuple[str, Callable[[object, str, str], Any]]] = {
    "user": ("User", _user),
    "exposed_ports": ("ExposedPorts", _exposed_ports),
    "entrypoint": ("Entrypoint", _command),
    "cmd": ("Cmd", _command),
    "volumes": ("Volumes", _volumes),
    "working_dir": ("WorkingDir", _working_dir),
    "labels": ("Labels", _labels),
    "stop_signal": ("StopSignal", _stop_signal),
}

#: The attributes that `parameters` reads.
ATTRIBUTES = tuple(_READERS)
