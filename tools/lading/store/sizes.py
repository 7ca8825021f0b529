"""Numbers of bytes as people write and read them, in binary units."""

from __future__ import annotations

import re

from lading.errors import InputError

__all__ = ["human", "parse"]

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_SIZE = re.compile(
    r"\s*([0-9]{1,30})(?:\.([0-9]{1,30}))?\s*([kmgtp]?)(?:i?b)?\s*", re.ASCII | re.IGNORECASE
)


def human(size: int) -> str:
    """`1536` as `1.5 KiB`; exact below 1 KiB."""
    value, unit = float(size), 0
    while abs(value) >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{size} B" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def parse(text: str) -> int:
    """`10G`, `10 GiB` and `10GB` are the same number of bytes here, 10 × 1024³.

    Raises InputError for anything else than a number with one of the units B, K, M, G, T, P.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r:.80} is not a size", fix="write a number and a unit: 20GiB")
    whole, part = match[1], match[2] or ""
    unit = 1024 ** " kmgtp".index(match[3].lower() or " ")
    return int(int(whole + part) * unit // 10 ** len(part))
