"""Variables in words of a Dockerfile: `$NAME`, `${NAME}`, `${NAME:-word}`, `${NAME:+word}`."""

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
    inner = text[place + 1 : end]
    match = _NAME.match(inner)
    name = match[0] if match else ""
    operator, word = inner[len(name) :][:2], inner[len(name) + 2 :]
    if operator[:1] in ("-", "+"):
        operator, word = ":" + operator[:1], inner[len(name) + 1 :]
    value = variables.get(name, "")
    if operator == ":-":
        value = value or expand(word, variables, escape)
    elif operator == ":+":
        value = expand(word, variables, escape) if value else ""
    return value, end + 1


def _closing(text: str, place: int) -> int:
    depth = 1
    for index in range(place, len(text)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return index
    return -1
