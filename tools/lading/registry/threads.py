"""Threads that calls share, started by the first of them.

`concurrent.futures` does the same and imports `logging`, which takes longer than a push that finds
everything there.
"""

from __future__ import annotations

import functools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Generic, Self, TypeVar

from lading.errors import LimitError

__all__ = ["Threads"]

_PATIENCE = 0.5  # seconds
_T = TypeVar("_T")
_R = TypeVar("_R")


class Threads:
    """At most `number` threads; leaving the `with` statement waits for what they are doing.

    Not for long when it is left by Ctrl-C: a layer on its way may take minutes, and the process
    ends anyway. What notices can remove its temporary files.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._changed = threading.Condition()
        self._waiting: deque[_Call[Any]] = deque()
        self._threads: list[threading.Thread] = []
        self._closed = False

    def each(self, call: Callable[[_T], _R], items: Iterable[_T]) -> list[_R]:
        """Calls `call` with each item, the first ones first; returns the results in their order.

        The first failure, in that order, is raised; calls that have not begun when one fails are
        not made, those under way go on. Raises LimitError if no thread can be started.
        """
        group = object()
        calls = [_Call(call, item, group) for item in items]
        try:
            with self._changed:
                self._waiting.extend(calls)
                for _ in calls[: self._number - len(self._threads)]:
                    if not self._start():
                        break
                self._changed.notify_all()
            return [call.result() for call in calls]
        except BaseException:
            self._forget(group)
            raise

    def _start(self) -> bool:
        thread = threading.Thread(target=self._work, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # The system gives no more of them: those that there are do it all.
            if self._threads:
                return False
            raise LimitError(
                "no thread can be started", fix="raise the number of processes allowed: ulimit -u"
            ) from None
        self._threads.append(thread)
        return True

    def _forget(self, group: object) -> None:
        with self._changed:
            self._waiting = deque(call for call in self._waiting if call.group is not group)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
        deadline = time.monotonic() + _PATIENCE
        for thread in self._threads:
            thread.join(max(0, deadline - time.monotonic()) if interrupted else None)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    if self._closed:
                        return
                    self._changed.wait()
                call = self._waiting.popleft()
            if not call.make():
                self._forget(call.group)


class _Call(Generic[_R]):
    """A call that one thread makes and another waits for."""

    def __init__(self, call: Callable[[_T], _R], item: _T, group: object) -> None:
        self.group = group
        self._call: Callable[[], _R] = functools.partial(call, item)
        self._done = threading.Event()
        self._results: list[_R] = []
        self._error: BaseException | None = None

    def make(self) -> bool:
        """Whether it went well."""
        try:
            self._results.append(self._call())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self._error = error
        self._done.set()
        return self._error is None

    def result(self) -> _R:
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._results[0]
