"""What to lock: a suite, sets of packages, and what is left out with the reason why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lading.debian.package import NAME
from lading.errors import InputError

__all__ = ["PackageSet", "Spec", "parse_spec"]

_WORD = re.compile(r"[a-z][a-z0-9_-]*")
_KEYS = {"suite", "components", "architectures", "sets", "exclude", "point_releases"}


@dataclass(frozen=True, slots=True)
class PackageSet:
    """The packages that one layer of an image is built from.

    `packages` are named, the lock adds what they depend on; `above` are the sets whose packages
    are in layers underneath and so are not repeated.
    """

    name: str
    packages: tuple[str, ...]
    above: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spec:
    """The content of `images/debian.yaml`; `sets` are ordered so that each follows its `above`.

    `exclude` maps packages, and `point_releases` source packages, to the reason why.
    """

    suite: str
    components: tuple[str, ...]
    architectures: tuple[str, ...]
    sets: tuple[PackageSet, ...]
    exclude: Mapping[str, str]
    point_releases: Mapping[str, str] = field(default_factory=dict)


def parse_spec(text: str, name: str) -> Spec:
    """Reads a specification in YAML; `name` is what messages call the file.

    Raises:
        InputError: it is not YAML, a key is unknown, missing or there twice, or a value is of the
            wrong kind.
    """
    from lading import yamltext

    document = yamltext.load(text.encode(), what=name)
    if not isinstance(document, dict):
        raise InputError(f"{name} is not a mapping of {', '.join(sorted(_KEYS))}")
    yamltext.check_keys(document, _KEYS, what=name)
    return Spec(
        suite=_words(document, "suite", name, _WORD)[0],
        components=_words(document, "components", name, _WORD),
        architectures=tuple(sorted(_words(document, "architectures", name, _WORD))),
        sets=_ordered(_sets(document, name), name),
        exclude=_reasons(document, "exclude", name),
        point_releases=_reasons(document, "point_releases", name),
    )


def _reasons(document: Mapping[str, Any], key: str, name: str) -> dict[str, str]:
    found = document.get(key) or {}
    if not isinstance(found, dict) or not all(
        _is(NAME, package) and isinstance(reason, str) and reason
        for package, reason in found.items()
    ):
        raise InputError(f"{name}: {key} is not a mapping of package names to reasons")
    return found


def _sets(document: Mapping[str, Any], name: str) -> dict[str, PackageSet]:
    sets = document.get("sets")
    if not isinstance(sets, dict) or not sets:
        raise InputError(f"{name}: sets is not a mapping of a set's name to its packages")
    found = {}
    for key, value in sets.items():
        if (
            not _is(_WORD, key)
            or not isinstance(value, dict)
            or value.keys() - {"packages", "above"}
        ):
            raise InputError(f"{name}: set {key!r:.60} is not a mapping of packages and above")
        where = f"{name}: set {key}"
        above = _words(value, "above", where, _WORD) if "above" in value else ()
        found[key] = PackageSet(key, _words(value, "packages", where, NAME), above)
    return found


def _ordered(sets: Mapping[str, PackageSet], name: str) -> tuple[PackageSet, ...]:
    """Each set behind those that it is above, otherwise sorted by name."""
    found: dict[str, PackageSet] = {}

    def place(current: PackageSet, path: tuple[str, ...]) -> None:
        if current.name in path:
            raise InputError(f"{name}: sets are above each other: {' -> '.join(path)}")
        for under in sorted(current.above):
            if under not in sets:
                raise InputError(f"{name}: set {current.name} is above {under}, which is no set")
            place(sets[under], (*path, current.name))
        found.setdefault(current.name, current)

    for key in sorted(sets):
        place(sets[key], ())
    return tuple(found.values())


def _words(
    document: Mapping[str, Any], key: str, where: str, pattern: re.Pattern[str]
) -> tuple[str, ...]:
    """A word, or a list of different words, that follow `pattern`."""
    value = document.get(key)
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not words or not all(_is(pattern, word) for word in words):
        raise InputError(f"{where}: {key} is not a list of names")
    if len(set(words)) != len(words):
        raise InputError(f"{where}: {key} names something twice")
    return tuple(words)


def _is(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None
