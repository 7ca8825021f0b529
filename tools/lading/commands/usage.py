"""How commands talk about themselves: the list of their flags, and numbers of things."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

__all__ = ["count", "flags_help"]

_INDENT, _COLUMN, _WIDTH = "  ", 26, 100


def count(number: int, noun: str) -> str:
    """`1 image`, `2 images`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def flags_help(defined: Mapping[str, tuple[str, Mapping[str, Any]]]) -> str:
    """Flags by name: what each does, its choices and its default.

    `defined` has the kind of each flag, and what `FlagValues.define` was told about it.
    """
    shown = [_flag(name, *defined[name]) for name in sorted(defined)]
    return "\n".join(["flags:", *shown])


def _flag(name: str, kind: str, about: Mapping[str, Any]) -> str:
    text = str(about["help"])
    if kind.startswith("multi") and "repeated" not in text:
        text += " May be repeated."
    if choices := about.get("enum_values"):
        text += f" One of {', '.join(choices)}."
    if about["default"]:
        text += f" ({about['default']})"
    negatable = kind == "bool" and not name.startswith("no_")
    head = f"{_INDENT}--{'[no]' if negatable else ''}{name}"
    lines = textwrap.wrap(text, _WIDTH - _COLUMN, break_on_hyphens=False)
    if len(head) >= _COLUMN:
        lines.insert(0, "")
    heads = [head, *[""] * len(lines)]
    return "\n".join(
        f"{head:<{_COLUMN}}{line}".rstrip() for head, line in zip(heads, lines, strict=False)
    )
