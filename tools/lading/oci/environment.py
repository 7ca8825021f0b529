"""The `Env` list of an image config: `NAME=VALUE` strings (image-spec 1.1, config.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lading.errors import InputError

__all__ = ["DEFAULT_PATH", "as_map", "check_name", "expand", "merge"]

#: Where engines look for programs of an image that sets no `PATH`.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_REFERENCE = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\})"
)


def check_name(name: str, *, what: str) -> str:
    """Returns `name` if a process can have a variable of that name; raises InputError."""
    if not name or "=" in name or any(ord(char) <= 0x20 or char == "\x7f" for char in name):
        raise InputError(
            f"{what}: {name!r:.80} is not the name of an environment variable",
            fix="use letters, digits and _: no '=', no blank, not empty",
        )
    return name


def as_map(env: Sequence[str]) -> dict[str, str]:
    """Name to value; of two entries with one name the last counts, as it does for engines."""
    return {name: value for name, _, value in (entry.partition("=") for entry in env)}


def expand(value: str, base: Mapping[str, str], *, what: str) -> str:
    """Replaces `$NAME`, `${NAME}` and `${NAME:-default}` by the values in `base`.

    `$$` is a dollar sign; a `$` before anything else stands for itself. Values are not expanded
    again. Raises InputError for a name that `base` does not have: an empty string in its place
    would be a `PATH` that nobody wrote.
    """

    def value_of(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name = match["name"] or match["braced"]
        default: str | None = match["default"]
        found = base.get(name)
        if default is not None:
            return found or default
        if found is None:
            raise InputError(
                f"{what}: {value!r:.120} refers to ${name}, which the base does not set"
                f" (it sets {', '.join(sorted(base)) or 'nothing'})",
                fix=f"write $${name} for a literal dollar sign, or ${{{name}:-default}}",
            )
        return found

    return _REFERENCE.sub(value_of, value)


def merge(base: Sequence[str], changes: Mapping[str, str]) -> list[str]:
    """The base's entries in their order, changed ones in place; new names follow, sorted."""
    remaining = dict(changes)
    result = []
    done = set()
    for entry in base:
        name = entry.partition("=")[0]
        if name in done:
            continue
        if name in changes:
            done.add(name)
            entry = f"{name}={remaining.pop(name)}"
        result.append(entry)
    return result + [f"{name}={value}" for name, value in sorted(remaining.items())]
