"""Creation times (image-spec 1.1, config.md, "created": RFC 3339, section 5.6)."""

from __future__ import annotations

import re

from lading.errors import InputError

__all__ = ["canonical"]

_RFC3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]{1,9})?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_SECONDS = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,9})?")


def canonical(text: str, *, what: str) -> str:
    """Returns the time in UTC as `2024-02-29T12:00:00Z`, with a fraction if `text` has one.

    Args:
        text: RFC 3339 with any offset, or seconds since 1970 with an optional fraction.
        what: names the value in an error.

    Raises:
        InputError: neither form, a date that does not exist, or a year outside 1 to 9999.
    """
    from datetime import UTC, datetime, timedelta, timezone

    value = text.strip()
    try:
        if _SECONDS.fullmatch(value):
            whole, _, fraction = value.partition(".")
            if whole.startswith("-") and fraction.strip("0"):
                raise ValueError("a fraction before 1970")
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(whole))
        elif match := _RFC3339.fullmatch(value):
            *digits, point, sign, hours, minutes = match.groups()
            fraction = (point or "").lstrip(".")
            offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
            if int(minutes or 0) > 59:
                raise ValueError("an offset of more than 59 minutes")
            zone = timezone(-offset if sign == "-" else offset)
            year, month, day, hour, minute, second = (int(word) for word in digits)
            # RFC 3339 allows the leap second :60; no reader of image configs does.
            moment = datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)
        else:
            raise ValueError("neither form")
    except (ValueError, OverflowError):
        raise InputError(
            f"{what}: {text!r:.80} is not a time",
            fix="write RFC 3339, 2024-02-29T12:00:00Z, or seconds since 1970",
        ) from None
    fraction = fraction.rstrip("0")
    return (
        f"{moment.year:04}-{moment.month:02}-{moment.day:02}"
        f"T{moment.hour:02}:{moment.minute:02}:{moment.second:02}"
        f"{'.' + fraction if fraction else ''}Z"
    )
