"""Values that targets give as attributes, files and templates, put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lading.actions import flags
from lading.errors import UsageError
from lading.oci import document, key_value, parts

__all__ = ["Expand", "base", "descriptor", "expander", "pairs"]

Expand = Callable[[str, str], str]
"""Fills in the templates of a text; the second argument names it in an error."""


def base(manifest: str | None, config: str | None, what: str) -> parts.Base | None:
    """Reads the image to build on from its two documents, or None where there is none.

    Raises UsageError for one without the other, and what `parts.read_base` does.
    """
    if (manifest is None) != (config is None):
        raise UsageError("--base_manifest and --base_config go together")
    if manifest is None or config is None:
        return None
    return parts.read_base(flags.read(manifest), flags.read(config), what=f"{what}, base")


def expander(
    settings: Mapping[str, str | int], status_files: Sequence[str], on: parts.Base | None
) -> Expand:
    """A function that fills in templates.

    Nothing is read or imported before the first text that has a template: most have none.

    Args:
        settings: build settings by their name in templates; they win over keys of the status.
        status_files: workspace status files; a later one wins.
        on: the base: what `.base` and `$NAME` stand for.
    """
    variables: dict[str, Any] = {}

    def expand(text: str, where: str) -> str:
        if "{{" not in text:
            return text
        from lading.oci import stamp

        if not variables:
            for path in status_files:
                variables.update(stamp.read_status(flags.read(path), what=path))
            variables.update(settings)
            if on:
                variables.update(stamp.base_variables(on))
        return stamp.expand(text, variables, what=where)

    return expand


def pairs(
    own: Mapping[str, str],
    paths: Sequence[str],
    expand: Expand,
    what: str,
    *,
    own_wins: bool = False,
) -> dict[str, str]:
    """The pairs of an attribute and of its files, of which a later one wins over an earlier.

    They win over the attribute, unless `own_wins`. Raises InputError for a malformed file or
    template.
    """
    found: dict[str, str] = {}
    for path in paths:
        found |= key_value.parse(flags.read(path), what=f"{what}: {path}")
    result = {**own, **found, **(own if own_wins else {})}
    return {key: expand(value, f"{what}[{key!r}]") for key, value in result.items()}


def descriptor(path: str) -> dict[str, Any]:
    """Reads a descriptor file; raises NotFoundError or CorruptError."""
    return parts.check_descriptor(document.loads_object(flags.read(path), what=path), what=path)
