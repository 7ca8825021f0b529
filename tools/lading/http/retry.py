"""When to try again, and how long to wait before it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus

from lading.http.limits import Limits
from lading.http.messages import Response

__all__ = ["RETRY_STATUSES", "Attempts", "Budget", "asked_for", "retry_after"]

#: Answers that a later attempt may turn out better than: timeouts, rate limits, server trouble.
RETRY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})


class Budget:
    """The waiting that one session may do, shared by its threads.

    Args:
        limits: bounds.
        sleep: waits; tests replace it.
        notice: is told about pauses that a person would notice, and what they are for.
    """

    def __init__(
        self,
        limits: Limits,
        sleep: Callable[[float], None] = time.sleep,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        self.limits = limits
        self._left = limits.wait
        #: When the pauses end that threads make at the moment.
        self._ends: list[float] = []
        self._lock = threading.Lock()
        self._sleep = sleep
        self._notice = notice

    def wait(self, seconds: float, why: str, *, told: bool = False) -> bool:
        """Waits, unless that exceeds what is left; returns whether it did.

        Threads that wait at the same time wait once, and say so once. With `told` even a short
        pause is worth a word, since something long came before it.
        """
        with self._lock:
            now = time.monotonic()
            end = now + seconds
            more = max(0.0, end - max([now, *self._ends]))
            if more > self._left:
                return False
            self._left -= more
            self._ends.append(end)
        try:
            if self._notice is not None and (told or more >= self.limits.noticed):
                self._notice(f"{why}; trying again in {seconds:.0f} s")
            self._sleep(seconds)
        finally:
            with self._lock:
                self._ends.remove(end)
        return True


class Attempts:
    """The attempts of one request or transfer.

    Those that a rate limit turns away (429) are counted for themselves: they are no failures, and
    asking less often is what is wanted.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._made = 1
        self._limited = 1
        self._silences = 0

    def again(self, why: str, *, answer: Response | None = None, silent: bool = False) -> bool:
        """Waits before another attempt; False when there is none left.

        Args:
            why: what was wrong with the last one, for whoever watches.
            answer: to the last one, if there was any. An honest client waits as long as it asks
                for or gives up; it does not come back early.
            silent: it ended because the server said nothing until the time was over.
        """
        import random

        limits = self._budget.limits
        self._silences += silent
        is_limit = answer is not None and answer.status == HTTPStatus.TOO_MANY_REQUESTS
        made = self._limited if is_limit else self._made
        if made >= (limits.limited if is_limit else limits.attempts):
            return False
        if self._silences >= limits.silences:
            return False
        asked = asked_for(answer) if answer is not None else None
        if asked is not None and asked > limits.longest_wait:
            return False
        pause = min(limits.first_wait * 2 ** (made - 1), limits.longest_wait)
        # Half of it at random, so that clients that failed together do not return together.
        pause *= 0.5 + random.random() / 2  # noqa: S311
        if is_limit:
            self._limited += 1
        else:
            self._made += 1
        return self._budget.wait(max(pause, asked or 0), why, told=silent)

    def progress(self) -> None:
        """Something went through: attempts are counted from here again."""
        self._made, self._limited, self._silences = 1, 1, 0


def asked_for(answer: Response) -> float | None:
    """Seconds that an answer asks to be left alone for; None when it does not say.

    Without Retry-After, it is the window of a limit that has nothing left (`0;w=21600`).
    """
    asked = retry_after(answer.header("Retry-After"))
    if asked is None and answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        window = re.fullmatch(r"0 *; *w=([0-9]{1,9})", answer.header("RateLimit-Remaining"))
        return float(window[1]) if window else None
    return asked


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
