"""Variables in words of a Dockerfile: `$NAME`, `${NAME}`, and with `-`, `+`, `:-` or `:+` a word.

Other forms, such as `${NAME#pattern}`, stay as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["expand"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def expand(text: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """`text` with variables replaced; one that is not set is empty.

    Args:
        text: one word.
        variables: name to value.
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


def _variable(text: str, place: int, variables: Mapping[str, str], escape: str) -> tuple[str, int]:
    """The value of the variable whose name begins at `place`, and the place after it."""
    if match := _NAME.match(text, place):
        return variables.get(match[0], ""), match.end()
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
    value = variables.get(name, "")
    has_value = bool(value) if colon else name in variables
    if operator == "-":
        value = value if has_value else expand(word, variables, escape)
    elif operator == "+":
        value = expand(word, variables, escape) if has_value else ""
    elif operator not in ("", "?") or (colon and not operator):
        value = text[place - 1 : end + 1]  # as it is: no name has a $ in it
    return value, end + 1


def _closing(text: str, place: int) -> int:
    depth = 1
    for index in range(place, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return index
    return -1
