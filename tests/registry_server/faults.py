"""What a scripted registry does instead of answering properly."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

__all__ = [
    "Action",
    "Answer",
    "CutRequest",
    "Fault",
    "Forget",
    "Hang",
    "Mangle",
    "Script",
    "ShutOut",
]


@dataclass(frozen=True)
class Answer:
    """Answers with a status, without doing anything. The request's body is read first."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class CutRequest:
    """Resets the connection around the request's body.

    Attributes:
        read: bytes of the body that are read before; None for all of it.
        keep: whether the registry processes what it read (part of an upload).
        reset: end with a TCP reset, not an orderly close.
        status: answer this before hanging up, or 0.
        then: called when that much of the body is there, before anything else happens.
    """

    read: int | None = 0
    keep: bool = False
    reset: bool = True
    status: int = 0
    then: Callable[[], None] | None = None


@dataclass(frozen=True)
class Forget:
    """Loses all upload sessions, as a restart does, then serves the request."""


@dataclass(frozen=True)
class Hang:
    """Serves the request, but only after `seconds`; `deaf`: does not even read the body before."""

    seconds: float
    deaf: bool = False


@dataclass(frozen=True)
class Mangle:
    """Serves the request, then spoils the answer.

    Attributes:
        headers: set (or, with None, left out) in the answer.
        cut: bytes of the body after which the connection ends; None for all.
        flip: position of a byte of the body that is changed; None for none.
        more: bytes added behind the body.
        length: state the true length of what is sent, not that of the proper body.
        chunked: send the body with chunked encoding.
        slow: seconds between single bytes of the body.
        lost: process the request and reset instead of answering.
        garbage: send this instead of HTTP.
        status: another status line, 0 for the proper one.
    """

    headers: Mapping[str, str | None] = field(default_factory=dict)
    cut: int | None = None
    flip: int | None = None
    more: bytes = b""
    length: bool = True
    chunked: bool = False
    slow: float = 0
    lost: bool = False
    garbage: bytes = b""
    status: int = 0


@dataclass(frozen=True)
class ShutOut:
    """Forgets every token issued so far, as if all had expired, then serves the request."""


Action = Answer | CutRequest | Forget | Hang | Mangle | ShutOut


@dataclass
class Fault:
    """An action for requests that match.

    Attributes:
        method: HTTP method, or * for any.
        path: regular expression, searched in path and query.
        action: what happens.
        nth: the first matching request that it happens to, from 1.
        times: how often; 0 for ever.
        size: the length of the request's body; None for any.
    """

    method: str
    path: str
    action: Action
    nth: int = 1
    times: int = 1
    size: int | None = None
    seen: int = 0

    def hits(self, method: str, target: str, size: int) -> bool:
        if self.method not in ("*", method) or not re.search(self.path, target):
            return False
        if self.size not in (None, size):
            return False
        self.seen += 1
        return self.seen >= self.nth and (not self.times or self.seen < self.nth + self.times)


class Script:
    """The faults of one server; the first that hits counts."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        #: How many faults have happened.
        self.happened = 0

    def add(self, *faults: Fault) -> None:
        with self._lock:
            self._faults += faults

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def take(self, method: str, target: str, size: int) -> Action | None:
        with self._lock:
            for fault in self._faults:
                if fault.hits(method, target, size):
                    self.happened += 1
                    return fault.action
        return None
