"""Threads that are there, like what it takes to have them, from the first call they are given."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["Threads"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Threads:
    """At most `number` threads; leaving the `with` statement waits for them."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def submit(self, call: Callable[_P, _T], *args: _P.args, **named: _P.kwargs) -> Future[_T]:
        """Has a thread make the call."""
        with self._lock:
            if self._pool is None:
                # A push that finds its image unchanged is done sooner than this is imported.
                from concurrent.futures import ThreadPoolExecutor

                self._pool = ThreadPoolExecutor(self._number)
        return self._pool.submit(call, *args, **named)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown()
