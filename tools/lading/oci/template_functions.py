"""The functions of templates: those of Go's text/template and of rules_img that are in use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

__all__ = ["FUNCTIONS", "ON_MISSING", "Missing", "text_of"]


class Missing(NamedTuple):
    """A variable that has no value: false in a condition, an error anywhere else."""

    name: str

    def __bool__(self) -> bool:
        return False


def text_of(value: str | int) -> str:
    """A value as text. A bool is an int."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _equal(first: Any, *others: Any) -> bool:
    """Whether the first equals any other; a variable without a value is an empty string.

    A number or a bool equals its text, where Go refuses to compare them.
    """
    values = ["" if isinstance(value, Missing) else value for value in (first, *others)]
    return any(_same(values[0], value) for value in values[1:])


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, (str, int)) and isinstance(second, (str, int)):
        return text_of(first) == text_of(second)
    return bool(first == second)


def _first_false(*values: Any) -> Any:
    return next((value for value in values if not value), values[-1])


def _first_true(*values: Any) -> Any:
    return next((value for value in values if value), values[-1])


def _get(pairs: list[str], key: str) -> str:
    """The last value of `key` in a list of `KEY=VALUE`, or an empty string."""
    found = [value for name, _, value in (pair.partition("=") for pair in pairs) if name == key]
    return found[-1] if found else ""


def _slice(text: str, start: int = 0, end: int | None = None) -> str:
    """Part of a text; raises ValueError for one that is not all there, as Go does."""
    end = len(text) if end is None else end
    if not 0 <= start <= end <= len(text):
        raise ValueError
    return text[start:end]


_MANY = 100

#: Functions that take a variable without a value as one that is empty.
ON_MISSING = frozenset({"and", "eq", "ne", "not", "or"})

#: Name to the fewest and most arguments, and what it does.
FUNCTIONS: Mapping[str, tuple[int, int, Callable[..., Any]]] = {
    "and": (1, _MANY, _first_false),
    "appendkv": (3, 3, lambda pairs, key, suffix: _get(pairs, key) + suffix),
    "eq": (2, _MANY, _equal),
    "getkv": (2, 2, _get),
    "hasprefix": (2, 2, lambda text, prefix: text.startswith(prefix)),
    "hassuffix": (2, 2, lambda text, suffix: text.endswith(suffix)),
    "join": (2, 2, lambda words, separator: separator.join(words)),
    "ne": (2, 2, lambda first, second: not _equal(first, second)),
    "not": (1, 1, lambda value: not value),
    "or": (1, _MANY, _first_true),
    "prependkv": (3, 3, lambda pairs, key, prefix: prefix + _get(pairs, key)),
    "slice": (1, 3, _slice),
    "split": (2, 2, lambda text, separator: text.split(separator)),
    "trimprefix": (2, 2, lambda text, prefix: text.removeprefix(prefix)),
    "trimsuffix": (2, 2, lambda text, suffix: text.removesuffix(suffix)),
}
