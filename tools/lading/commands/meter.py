"""A line on the terminal that says how far a transfer is."""

from __future__ import annotations

import sys
import time
from typing import Self, TextIO

from lading.store import sizes

__all__ = ["Meter"]

#: Seconds between two changes of the line, and until it shows at all.
_PERIOD = 0.1
_PATIENCE = 0.5


class Meter:
    """Shows `what` with bytes done and to do, on a terminal only; wiped when it is closed."""

    def __init__(self, what: str, stream: TextIO | None = None) -> None:
        self._what, self._stream = what, stream or sys.stderr
        self._shown = 0
        self._next = time.monotonic() + _PATIENCE
        self._live = self._stream.isatty()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if not self._live or now < self._next:
            return
        self._next = now + _PERIOD
        line = f"lading: {self._what} {sizes.human(done)} of {sizes.human(total)}"
        self._stream.write("\r" + line.ljust(self._shown))
        self._stream.flush()
        self._shown = len(line)

    def close(self) -> None:
        """Removes the line."""
        if self._shown:
            self._stream.write("\r" + " " * self._shown + "\r")
            self._stream.flush()
            self._shown = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
