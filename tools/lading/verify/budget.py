"""What reading something hostile may cost, shared by every thread that reads."""

from __future__ import annotations

import threading
import time

from lading.scan.codec import Fault

__all__ = ["Budget"]


class Budget:
    """So many seconds from now, and so many bytes uncompressed, for everything together."""

    def __init__(self, seconds: float, total_bytes: int) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._total = total_bytes
        self._left = total_bytes
        self._lock = threading.Lock()

    def spend(self, count: int) -> None:
        """Takes `count` bytes; raises Fault (`limit-size`, `limit-time`) when it is used up."""
        if time.monotonic() > self._end:
            raise Fault("limit-time", f"it was not done after {self._seconds:g} seconds")
        if count:
            with self._lock:
                self._left -= count
            if self._left < 0:
                raise Fault("limit-size", f"more than {self._total} bytes in all layers together")
