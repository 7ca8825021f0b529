"""Values that targets give as attributes, files and templates, put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lading.actions import flags
from lading.oci import document, key_value, parts

__all__ = ["Expand", "descriptor", "expander", "pairs"]

Expand = Callable[[str, str], str]
"""Fills in the templates of a text; the second argument names it in an error."""


def expander(
    settings: Mapping[str, str], status_files: Sequence[str], base: parts.Base | None
) -> Expand:
    """A function that fills in templates.

    Nothing is read or imported before the first text that has a template: most have none.

    Args:
        settings: build settings by their name in templates.
        status_files: workspace status files; a later one wins, and all win over `settings`.
        base: what `.base` and `$NAME` stand for.
    """
    variables: dict[str, Any] = {}

    def expand(text: str, where: str) -> str:
        if "{{" not in text:
            return text
        from lading.oci import stamp

        if not variables:
            variables.update(settings)
            for path in status_files:
                variables.update(stamp.read_status(flags.read(path), what=path))
            if base:
                variables.update(stamp.base_variables(base))
        return stamp.expand(text, variables, what=where)

    return expand


def pairs(
    own: Mapping[str, str], paths: Sequence[str], expand: Expand, what: str
) -> dict[str, str]:
    """The pairs of an attribute and of its files: a later file wins, the attribute over all.

    Raises InputError for a malformed file or template.
    """
    result: dict[str, str] = {}
    for path in paths:
        result |= key_value.parse(flags.read(path), what=f"{what}: {path}")
    result |= own
    return {key: expand(value, f"{what}[{key!r}]") for key, value in result.items()}


def descriptor(path: str) -> dict[str, Any]:
    """Reads a descriptor file; raises NotFoundError or CorruptError."""
    return parts.check_descriptor(document.loads_object(flags.read(path), what=path), what=path)
