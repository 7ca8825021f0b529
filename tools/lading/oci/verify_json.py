"""Rules of JSON documents as such, and typed access to what they hold.

Where `document.loads` stops at the first fault, verification goes on: a document with a duplicate
key is reported and then examined the way lenient readers see it.
"""

from __future__ import annotations

import json
from typing import Any

from lading.errors import CorruptError, LimitError
from lading.oci import document
from lading.oci.verify_rules import Findings

__all__ = ["check_annotations", "list_of_strings", "map_of_strings", "parse_object", "show"]


def parse_object(
    data: bytes, *, subject: str, found: Findings, what: str = "the document"
) -> dict[str, Any] | None:
    """Parses one JSON object; notes every fault; None when there is nothing to examine."""
    try:
        value = document.loads(data, what=what)
    except LimitError as error:
        found.add("json-size", subject, error.what)
        return None
    except CorruptError as error:
        value = _lenient(data)
        if value is None:
            found.add("json-syntax", subject, error.what)
            return None
        found.add("json-duplicate-key", subject, error.what)
    if not isinstance(value, dict):
        found.add("json-syntax", subject, f"{what} is {_kind(value)}, not an object")
        return None
    return value


def _lenient(data: bytes) -> Any:
    """The value if duplicate keys are the document's only fault, else None."""
    doubled = False

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal doubled
        result = dict(items)
        doubled = doubled or len(result) != len(items)
        return result

    def constant(name: str) -> Any:
        raise ValueError(name)

    try:
        value = json.loads(data.decode(), object_pairs_hook=pairs, parse_constant=constant)
    except (ValueError, RecursionError):
        return None
    return value if doubled else None


def check_annotations(value: object, *, subject: str, at: str, found: Findings) -> None:
    """Notes `annotations` that are present and no map of strings."""
    if value is not None and map_of_strings(value) is None:
        found.add("annotations", subject, f"annotations are {show(value)}", at=f"{at}/annotations")


def list_of_strings(value: object) -> list[str] | None:
    """`value` if it is a list of strings, else None."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    return None


def map_of_strings(value: object) -> dict[str, str] | None:
    """`value` if it is an object whose values are strings, else None."""
    if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
        return value
    return None


def show(value: object, width: int = 80) -> str:
    """`value` on one line for a message: escaped, and cut at `width` characters."""
    text = ascii(value)
    return text if len(text) <= width else text[: width - 1] + "…"


def _kind(value: object) -> str:
    return {list: "a list", str: "a string", bool: "a boolean", type(None): "null"}.get(
        type(value), "a number"
    )
