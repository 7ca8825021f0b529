"""When to try again, and how long to wait before it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from lading.http.limits import Limits

__all__ = ["RETRY_STATUSES", "Attempts", "Budget", "retry_after"]

#: Answers that a later attempt may turn out better than: timeouts, rate limits, server trouble.
RETRY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})


class Budget:
    """The waiting that one session may do, shared by its threads."""

    def __init__(self, limits: Limits, sleep: Callable[[float], None] = time.sleep) -> None:
        self.limits = limits
        self._left = limits.wait
        self._lock = threading.Lock()
        self._sleep = sleep

    def wait(self, seconds: float) -> bool:
        """Waits, unless that exceeds what is left; returns whether it did."""
        with self._lock:
            if seconds > self._left:
                return False
            self._left -= seconds
        self._sleep(seconds)
        return True


class Attempts:
    """The attempts of one request or transfer."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._made = 1

    def again(self, asked: float | None = None) -> bool:
        """Waits before another attempt; False when there is none left.

        Args:
            asked: seconds that the server asked for. An honest client waits that long or gives
                up; it does not come back early.
        """
        import random

        limits = self._budget.limits
        if self._made >= limits.attempts:
            return False
        if asked is not None and asked > limits.longest_wait:
            return False
        pause = min(limits.first_wait * 2 ** (self._made - 1), limits.longest_wait)
        # Half of it at random, so that clients that failed together do not return together.
        pause *= 0.5 + random.random() / 2  # noqa: S311
        self._made += 1
        return self._budget.wait(max(pause, asked or 0))

    def progress(self) -> None:
        """Something went through: attempts are counted from here again."""
        self._made = 1


def retry_after(value: str) -> float | None:
    """Seconds that a Retry-After header asks for; None when there is none to be understood.

    Both forms of RFC 9110, section 10.2.3; a date in the past is 0.
    """
    text = value.strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    if not text or not text[0].isalpha():
        return None
    from email.utils import parsedate_to_datetime

    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
