"""BuildKit's progress as `buildx --progress=rawjson` prints it: one SolveStatus a line.

Steps (`vertexes`) come again with each change, their output (`logs`) in base64 and in pieces that
need not end with a line. What is no JSON object is the client's own text; its last words say why
a build failed, and at which line.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import deque
from collections.abc import Iterator
from typing import Any

from lading.builder.progress import Event, Status

__all__ = ["RawJson"]

_PLACE = re.compile(r"[^\s:]+:([0-9]+)$")
_STATUS = re.compile(r"did not complete successfully: exit code: ([0-9]+)")
#: Text of the client that is kept, in lines.
_WORDS = 100


class RawJson:
    """Reads lines one after the other.

    Attributes:
        words: the client's own lines.
        line: the line of the Dockerfile that failed, 0 when nothing says so.
        status: the exit status of the program that failed, None without one.
        error: what the failing step says, empty without one.
        output: the last lines that programs printed.
    """

    def __init__(self) -> None:
        self.words: list[str] = []
        self.line = 0
        self.status: int | None = None
        self.error = ""
        self.output: deque[str] = deque(maxlen=5)
        self._states: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._pending: dict[tuple[str, object], str] = {}
        self._shown: dict[tuple[str, str], int] = {}

    def feed(self, line: str) -> Iterator[Event]:
        """What a line tells; nothing for one that only repeats."""
        value = _object(line)
        if value is None:
            yield from self._word(line)
            return
        for vertex in _list(value, "vertexes"):
            yield from self._vertex(vertex)
        for status in _list(value, "statuses"):
            yield from self._progress(status)
        for log in _list(value, "logs"):
            yield from self._log(log)
        for warning in _list(value, "warnings"):
            yield Event("warning", str(warning.get("vertex", "")), text=_text(warning.get("short")))

    def message(self) -> str:
        """Why the build failed, in the builder's words, on one line."""
        errors = [text for text in self.words if text.startswith("ERROR: ")]
        text = (errors[-1][7:] if errors else "") or self.error or " ".join(self.words[-3:])
        text = " ".join(text.split()).removeprefix("failed to build: ")
        return text.removeprefix("failed to solve: ")

    def _word(self, line: str) -> Iterator[Event]:
        if not line.strip():
            return
        self.words = [*self.words, line][-_WORDS:]
        if match := _PLACE.match(line):
            self.line = int(match[1])
        if match := _STATUS.search(line):
            self.status = int(match[1])
        yield Event("info", text=line)

    def _vertex(self, vertex: dict[str, Any]) -> Iterator[Event]:
        key = str(vertex.get("digest", ""))
        name = self._names[key] = str(vertex.get("name", ""))
        error = str(vertex.get("error") or "")
        state: Status | None = "started" if vertex.get("started") else None
        if vertex.get("completed"):
            state = "error" if error else "cached" if vertex.get("cached") else "done"
        if state is None or self._states.get(key) == state:
            return
        # A step may be looked at several times; begun again after it was done is no news.
        if state == "started" and key in self._states:
            return
        self._states[key] = state
        yield from self._flush(key)
        if state == "error":
            self.error = error
            if match := _STATUS.search(error):
                self.status = int(match[1])
        yield Event(state, key, name, text=error)

    def _progress(self, status: dict[str, Any]) -> Iterator[Event]:
        vertex, item = str(status.get("vertex", "")), str(status.get("id", ""))
        current, total = _size(status.get("current")), _size(status.get("total"))
        if current <= 0 or self._shown.get((vertex, item)) == current:
            return
        self._shown[vertex, item] = current
        yield Event("progress", vertex, item, current=current, total=total)

    def _log(self, log: dict[str, Any]) -> Iterator[Event]:
        key = str(log.get("vertex", ""))
        stream = key, log.get("stream")
        *lines, rest = (self._pending.get(stream, "") + _text(log.get("data"))).split("\n")
        self._pending[stream] = rest
        for line in lines:
            self.output.append(line)
            yield Event("output", key, self._names.get(key, ""), text=line.rstrip("\r"))

    def _flush(self, key: str) -> Iterator[Event]:
        for stream in [stream for stream in self._pending if stream[0] == key]:
            if rest := self._pending.pop(stream):
                self.output.append(rest)
                yield Event("output", key, self._names.get(key, ""), text=rest)


def _object(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _list(value: dict[str, Any], key: str) -> list[dict[str, Any]]:
    items = value.get(key)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _text(data: object) -> str:
    """The text behind base64."""
    try:
        return base64.b64decode(str(data or ""), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _size(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else -1
