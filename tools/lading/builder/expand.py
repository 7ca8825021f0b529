"""Variables in words of a Dockerfile: `$NAME`, `${NAME}`, and with `-`, `+`, `:-` or `:+` a word.

Other forms, such as `${NAME#pattern}`, stay as they are written, and so does what depends on
something that is not known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum

__all__ = ["Doubt", "Values", "expand"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Doubt(Enum):
    """What is not known of a variable: its value, or only whether an empty one is set."""

    VALUE = 1
    SET = 2


Values = Mapping[str, str | Doubt]
"""Variables by name."""


def expand(text: str, variables: Values, escape: str = "\\") -> str:
    """`text` with variables replaced; one that is not set is empty.

    Args:
        text: one word.
        variables: what is in doubt stays as it is written, with its `$`, which no name has.
        escape: the character that takes the meaning from the one after it.
    """
    result, place = [], 0
    while place < len(text):
        character = text[place]
        if character == escape and place + 1 < len(text):
            result.append(text[place + 1])
            place += 2
        elif character == "$":
            value, place = _variable(text, place + 1, variables, escape)
            result.append(value)
        else:
            result.append(character)
            place += 1
    return "".join(result)


def _variable(text: str, place: int, variables: Values, escape: str) -> tuple[str, int]:
    """The value of the variable whose name begins at `place`, and the place after it."""
    if match := _NAME.match(text, place):
        known = variables.get(match[0], "")
        if known is Doubt.VALUE:
            return f"${match[0]}", match.end()
        return known if isinstance(known, str) else "", match.end()
    if text[place : place + 1] != "{":
        return "$", place
    end = _closing(text, place + 1)
    if end < 0:
        return "$", place
    match = _NAME.match(text, place + 1, end)
    name = match[0] if match else ""
    rest = text[place + 1 + len(name) : end]
    colon, rest = (":", rest[1:]) if rest.startswith(":") else ("", rest)
    operator, word = rest[:1], rest[1:]
    as_written = text[place - 1 : end + 1]
    found = variables.get(name, "")
    if found is Doubt.VALUE or (found is Doubt.SET and operator in "-+" and operator and not colon):
        return as_written, end + 1
    value = found if isinstance(found, str) else ""
    has_value = bool(value) if colon else name in variables
    if operator == "-":
        value = value if has_value else expand(word, variables, escape)
    elif operator == "+":
        value = expand(word, variables, escape) if has_value else ""
    elif operator not in ("", "?") or (colon and not operator):
        value = as_written
    return value, end + 1


def _closing(text: str, place: int) -> int:
    depth = 1
    for index in range(place, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return index
    return -1
