"""Faults at every file-system operation: in a forked child, the functions that change or read the
store are wrapped, and the n-th of their calls does not do what it should.

Covered: what Python code of lading calls to open, create, write, truncate, synchronise, rename and
remove (os.*, io.open, the raw file under a buffered one), whoever calls it, pathlib and shutil
included. A kill is `os._exit`: locks end, nothing is cleaned up, what reached the kernel stays. Not
covered: a power cut (what was written and not synchronised is never taken back), stat and listing,
writes that do not go through os.write and os.pwrite (compressors write their spools by themselves),
and the ioctl that shares bytes. Threads count like any code; which of them has call n is not the
same every time.
"""

from __future__ import annotations

import errno
import io
import os
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from lading.errors import LadingError

__all__ = ["ACKNOWLEDGED", "CRASHED", "KILLED", "REFUSED", "WAYS", "Outcome", "Way", "run"]

ACKNOWLEDGED, REFUSED, CRASHED, KILLED = 0, 10, 11, 12

_CHANGES = ("mkdir", "replace", "rename", "unlink", "remove", "rmdir", "link", "symlink")
_SYNCS = ("fsync", "fdatasync")
_SIZES = ("ftruncate", "truncate", "posix_fallocate")
#: A full disk still lets names and files go.
_NEED_ROOM = frozenset(
    {"create", "mkdir", "write", "posix_fallocate", "rename", "replace", "fsync"}
)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Way:
    """How an operation fails: a kill before it, after it or in the middle of a write, or an errno
    once, or for good (a disk stays full)."""

    name: str
    error: int = 0
    after: bool = False
    torn: bool = False
    for_good: bool = False

    @property
    def stays_full(self) -> bool:
        """Whether the disk never has room again."""
        return self.for_good and self.error == errno.ENOSPC

    def concerns(self, kind: str) -> bool:
        """Whether an operation of that kind can fail so."""
        if self.torn:
            return kind == "write"
        if self.error == errno.ENOSPC:
            return kind in _NEED_ROOM
        return self.error != errno.EROFS or kind != "read"


WAYS = (
    Way("killed before"),
    Way("killed after", after=True),
    Way("killed in a write", torn=True),
    Way("ENOSPC", errno.ENOSPC),
    Way("ENOSPC for good", errno.ENOSPC, for_good=True),
    Way("EIO", errno.EIO),
    Way("EROFS for good", errno.EROFS, for_good=True),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the child ended, one of the codes above; what it said; whether there was an n-th call."""

    code: int
    said: str
    reached: bool


def run(operation: Callable[[], str], way: Way, at: int) -> Outcome:
    """Runs `operation` in a child whose call number `at` (from 0) fails in that way."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _child(operation, way, at, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    reached, _, said = said.rpartition("\0")
    return Outcome(os.waitstatus_to_exitcode(status), said, bool(reached))


def _child(operation: Callable[[], str], way: Way, at: int, pipe: int) -> None:
    write, leave = os.write, os._exit
    code = CRASHED
    try:
        shim = _Shim(way, at, lambda: write(pipe, b"reached\0"), lambda: leave(KILLED))
        shim.install()
        try:
            said, code = operation(), ACKNOWLEDGED
        except LadingError as error:
            said, code = str(error), REFUSED
        except BaseException:  # noqa: BLE001 - whatever it is, the parent reports it
            said = traceback.format_exc()
        write(pipe, said.encode())
    finally:
        leave(code)


class _Shim:
    def __init__(
        self, way: Way, at: int, reached: Callable[[], object], kill: Callable[[], object]
    ) -> None:
        self._way, self._left = way, at
        self._reached, self._kill = reached, kill
        self._tripped = False
        self._counting = threading.Lock()

    def install(self) -> None:
        for name in _CHANGES + _SYNCS + _SIZES:
            setattr(os, name, self._wrapped(getattr(os, name), name))
        for name in ("write", "pwrite"):
            setattr(os, name, self._written(getattr(os, name)))
        self._install_open()
        self._install_fdopen()

    def step(self, kind: str, act: Callable[[], _T], half: Callable[[], object] = int) -> _T:
        """Does `act`, or what the fault makes of it."""
        if not self._way.concerns(kind):
            return act()
        with self._counting:
            tripped, mine = self._tripped, not self._tripped and not self._left
            self._tripped = tripped or mine
            self._left -= not self._tripped
        if tripped and self._way.for_good:
            raise OSError(self._way.error, os.strerror(self._way.error))
        if not mine:
            return act()
        self._reached()
        if self._way.error:
            raise OSError(self._way.error, os.strerror(self._way.error))
        if self._way.torn:
            half()
        elif self._way.after:
            act()
        self._kill()
        raise AssertionError

    def _wrapped(self, real: Callable[..., Any], kind: str) -> Callable[..., Any]:
        def wrapped(*args: Any, **named: Any) -> Any:
            return self.step(kind, lambda: real(*args, **named))

        return wrapped

    def _written(self, real: Callable[..., int]) -> Callable[..., int]:
        def wrapped(number: int, data: Any, *place: int) -> int:
            part = memoryview(data)[: len(data) // 2]
            return self.step(
                "write", lambda: real(number, data, *place), lambda: real(number, part, *place)
            )

        return wrapped

    def _install_open(self) -> None:
        open_file, open_stream = os.open, io.open

        def opened(path: Any, flags: int, *args: Any, **named: Any) -> int:
            kind = "create" if flags & os.O_CREAT else "read"
            return self.step(kind, lambda: open_file(path, flags, *args, **named))

        def streamed(path: Any, mode: str = "r", *args: Any, **named: Any) -> Any:
            if isinstance(path, int):  # what os.open made: it has counted
                return open_stream(path, mode, *args, **named)
            kind = "read" if mode in ("r", "rb") else "create"
            return self.step(kind, lambda: open_stream(path, mode, *args, **named))

        os.open = opened
        io.open = streamed  # type: ignore[assignment]

    def _install_fdopen(self) -> None:
        real = os.fdopen

        def fdopen(number: int, mode: str = "r", *args: Any, **named: Any) -> Any:
            if mode == "r+b":
                return io.BufferedRandom(_Raw(self, number, mode))
            if mode == "wb":
                return io.BufferedWriter(_Raw(self, number, mode))
            return real(number, mode, *args, **named)

        os.fdopen = fdopen  # type: ignore[assignment]


class _Raw(io.FileIO):
    """The raw file under a buffered one, whose writes count."""

    def __init__(self, shim: _Shim, number: int, mode: str) -> None:
        super().__init__(number, mode)
        self._shim = shim

    def write(self, data: Any) -> int:
        view = memoryview(data)
        return self._shim.step(
            "write",
            lambda: super(_Raw, self).write(view),
            lambda: super(_Raw, self).write(view[: len(view) // 2]),
        )
