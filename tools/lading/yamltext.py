"""The part of YAML that lading reads: with places, strictly, and written safely.

The catalog of a store is written in it, and what people write for lading: policies, destinations,
tests of images, packages to lock.

Aliases, tags, duplicate keys and several documents are refused: an alias can be a bomb, a tag
can be anything, and of two equal keys readers disagree which counts. Scalars follow the core
schema of YAML 1.2, so `no` is a word and `1:30` is not a number of seconds; but a number that
would be written otherwise, `24.10` or `007`, stays the text that it is: it may be a version. Every
value comes with its place in the text, which is what allows to change one value and no other byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from lading.errors import CorruptError, InputError, LadingError, LimitError

__all__ = ["Node", "check_keys", "dumps_value", "load", "parse"]

#: Largest file of a person that is read, in bytes.
_MAX_BYTES = 1024 * 1024
_MAX_DEPTH = 20
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
#: Texts that every reader of YAML takes for a text without quotes.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./+-]*")
#: But not these, in some version of YAML.
_MEANINGFUL = frozenset({
    "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity",
})  # fmt: skip
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
#: Halves of characters, which no encoding has: bytes of an argument that are no text, or an odd
#: escape of JSON.
_NO_TEXT = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Node:
    """A value and its place in the text, from its first character to `end`, exclusive.

    Comments and blank lines after the value are not part of it. `inline` is false for a list
    or mapping written with indentation. `children` are the nodes of a mapping's values by key,
    or those of a sequence.
    """

    value: Any
    start: int
    end: int
    inline: bool = True
    children: Any = None


def parse(text: str, *, what: str) -> Node | None:
    """Reads a document; None when there is none, only comments.

    Raises:
        CorruptError: it is not YAML, or not of the part that is allowed; says where.
        LimitError: it nests too deep.
    """
    events = _events(text, what)
    node: Node | None = None
    try:
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if node is not None:
                    raise CorruptError(f"{what} holds more than one document")
                node = _node(next(events), events, what, 0)
                if node.value is None and node.start == node.end:
                    node = None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        # A character that is not allowed has a reason and no mark.
        why = getattr(error, "problem", None) or getattr(error, "reason", None) or "it is cut off"
        raise CorruptError(f"{what} is not YAML{where}: {why:.300}") from None
    return node


def load(data: bytes, *, what: str) -> Any:
    """The value in a file that somebody wrote; None when there is none, only comments.

    Raises:
        InputError: it is not UTF-8, larger than 1 MiB, or not what `parse` reads; says where.
    """
    if len(data) > _MAX_BYTES:
        raise InputError(f"{what} is larger than {_MAX_BYTES} bytes")
    try:
        node = parse(data.decode("utf-8-sig"), what=what)
    except UnicodeDecodeError as error:
        raise InputError(f"{what} is not UTF-8 text: {error.reason}") from None
    except LadingError as error:
        raise InputError(error.what, fix=error.fix) from None
    return None if node is None else node.value


def check_keys(value: Mapping[str, Any], known: Iterable[str], *, what: str) -> None:
    """Raises InputError for a key of `value` that is not among those that are `known`."""
    if unknown := sorted(set(value) - set(known)):
        raise InputError(
            f"{what} has the unknown key {unknown[0]!r:.80}",
            fix=f"there are: {', '.join(sorted(known))}",
        )


def dumps_value(value: Any, depth: int = 0) -> str:
    """One line of YAML for a scalar, list or mapping, the same to every version of YAML.

    Raises InputError for what is no text, or nests too deep; `depth` is that of the value.
    """
    if depth > _MAX_DEPTH:
        raise InputError(f"a value nests deeper than {_MAX_DEPTH} levels")
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return json.dumps(value)
    if isinstance(value, str):
        return _dumps_text(value)
    if isinstance(value, Mapping):
        items = (
            f"{_dumps_text(str(key))}: {dumps_value(item, depth + 1)}"
            for key, item in value.items()
        )
        return "{" + ", ".join(items) + "}"
    return "[" + ", ".join(dumps_value(item, depth + 1) for item in value) + "]"


def _dumps_text(text: str) -> str:
    if _NO_TEXT.search(text):
        raise InputError(f"{text!r:.80} is no text, and cannot stand in a catalog")
    if _PLAIN.fullmatch(text) and text.lower() not in _MEANINGFUL:
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


def _events(text: str, what: str) -> Iterator[Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        yield from yaml.parse(text, Loader=loader)
    except (ValueError, UnicodeError) as error:  # a character that YAML does not allow
        raise CorruptError(f"{what} is not YAML: {error}") from None


def _node(event: Any, events: Iterator[Any], what: str, depth: int) -> Node:
    if isinstance(event, yaml.AliasEvent):
        raise _refused(event, what, f"an alias (*{event.anchor}), which is not read here")
    if event.tag is not None:
        raise _refused(event, what, f"the tag {event.tag}, which is not read here")
    if isinstance(event, yaml.ScalarEvent):
        return _scalar(event)
    if depth > _MAX_DEPTH:
        raise LimitError(f"{what} nests deeper than {_MAX_DEPTH} levels")
    start, inline = event.start_mark.index, bool(event.flow_style)
    end = start
    children: Any
    value: Any
    if isinstance(event, yaml.SequenceStartEvent):
        children, value = [], []
        while not isinstance(following := next(events), yaml.SequenceEndEvent):
            child = _node(following, events, what, depth + 1)
            children.append(child)
            value.append(child.value)
            end = child.end
    else:
        children, value = {}, {}
        while not isinstance(following := next(events), yaml.MappingEndEvent):
            key = _node(following, events, what, depth + 1)
            if not isinstance(key.value, (str, int, float)):
                raise _refused(following, what, "a key that is no text")
            name = str(key.value)
            if name in children:
                thing = f"the key {name!r:.80} a second time"
                raise _refused(following, what, thing, fix="keep one of the two")
            child = _node(next(events), events, what, depth + 1)
            children[name], value[name] = child, child.value
            end = max(key.end, child.end)
    if inline:
        end = following.end_mark.index
    return Node(value, start, end, inline, children)


def _scalar(event: Any) -> Node:
    value = event.value if event.style else _resolve(event.value)
    # A block scalar ends where the next line starts; a plain one may claim spaces after it.
    return Node(value, event.start_mark.index, event.end_mark.index, event.style not in ("|", ">"))


def _resolve(text: str) -> Any:
    """The value of a scalar without quotes, by the core schema."""
    if _NULL.fullmatch(text):
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text) and len(text) < 19:
        number: int | float = int(text)
    elif _FLOAT.fullmatch(text):
        number = float(text)
    else:
        return text
    return number if json.dumps(number) == text else text


def _refused(
    event: Any, what: str, thing: str, fix: str = "write the values out in plain YAML"
) -> CorruptError:
    return CorruptError(f"{what}, line {event.start_mark.line + 1}: it has {thing}", fix=fix)
