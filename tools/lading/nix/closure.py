"""A closure: store paths, and everything they refer to.

Read from `nix path-info --json --recursive` in each form that it has had: a list of objects with
`path` (before Nix 2.19), an object by path, and since format 2 an object by base name under `info`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from lading.errors import CorruptError, InputError, NotFoundError
from lading.oci import document

__all__ = [
    "STORE",
    "Closure",
    "StorePath",
    "check",
    "loads",
    "parse_path",
    "resolve",
    "roots",
    "split_name",
]

#: Where Nix keeps what it makes, unless it was built for another place.
STORE = "/nix/store"

_LIMIT = 256 << 20
_ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz"
_BASE = re.compile(rf"[{_ALPHABET}]{{32}}-[0-9a-zA-Z+\-._?=]{{1,211}}")
_HOW = "make it with: nix path-info --json --recursive PATH"


class StorePath(NamedTuple):
    """One object of a store: its base name, and what Nix knows of it.

    `nar_hash` is a sha256 in hex, `nar_size` bytes; `references` are base names, sorted, without
    the object's own.
    """

    base: str
    nar_hash: str
    nar_size: int
    references: tuple[str, ...]

    @property
    def name(self) -> str:
        """The base name without its hash."""
        return self.base[33:]


class Closure(NamedTuple):
    """Objects by base name, sorted, and the directory that they lie in."""

    store: str
    paths: Mapping[str, StorePath]

    def full(self, base: str) -> str:
        """The absolute path of an object."""
        return f"{self.store}/{base}"


def loads(data: bytes, *, what: str, store: str = STORE) -> Closure:
    """Reads the output of `nix path-info --json --recursive`.

    Args:
        data: JSON.
        what: names it in errors.
        store: the store directory that all paths have to be in.

    Raises:
        CorruptError: it is no JSON, or not of that form.
        InputError: a path is of another store, or refers to one that is not there.
        NotFoundError: Nix said that a path is not in its store.
    """
    value = document.loads(data, what=what, limit=_LIMIT)
    if isinstance(value, dict) and "info" in value and isinstance(value["info"], dict):
        there = value.get("storeDir", store)
        if there != store:
            raise _other_store(what, str(there), store)
        items = [(f"{store}/{base}", item) for base, item in value["info"].items()]
    elif isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list) and all(isinstance(item, dict) for item in value):
        items = [(item.get("path"), item if item.get("valid", True) else None) for item in value]
    else:
        raise CorruptError(f"{what} is not what nix path-info prints", fix=_HOW)
    return check([_path(key, item, what, store) for key, item in items], what=what, store=store)


def check(paths: Iterable[StorePath], *, what: str, store: str = STORE) -> Closure:
    """A closure of `paths`, which have to be all there are.

    Raises:
        CorruptError: there are none, or one occurs twice.
        InputError: one refers to another that is not among them.
    """
    ordered = sorted(paths)
    found = {path.base: path for path in ordered}
    if len(found) != len(ordered):
        twice = next(one.base for one, two in pairwise(ordered) if one.base == two.base)
        raise CorruptError(f"{what} has {store}/{twice} twice")
    if not found:
        raise CorruptError(f"{what} has no store path", fix=_HOW)
    for path in ordered:
        for reference in path.references:
            if reference not in found:
                raise InputError(
                    f"{what} is no closure: {store}/{path.base} refers to {store}/{reference},"
                    " which is not in it",
                    fix="export everything: nix path-info --recursive, or nix-store -qR",
                )
    return Closure(store, found)


def roots(closure: Closure) -> list[str]:
    """The base names of objects that no other refers to, sorted by name."""
    used = {other for path in closure.paths.values() for other in path.references}
    return sorted(set(closure.paths) - used, key=lambda base: (base[33:], base))


def resolve(closure: Closure, text: str, *, what: str) -> str:
    """The base name of the object that `text` means: a path, a base name, or a name in it.

    Raises:
        NotFoundError: there is none.
        InputError: there are several.
    """
    base = text.removeprefix(closure.store + "/")
    if base in closure.paths:
        return base
    found = [path.base for path in closure.paths.values() if path.name == text]
    found = found or [path.base for path in closure.paths.values() if split_name(path.name) == text]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"{what}: {text!r:.200} is one of {', '.join(map(closure.full, found[:8]))}",
            fix="write the whole path",
        )
    raise NotFoundError(
        f"{what}: {text!r:.200} is not in the closure",
        fix=f"nothing refers to: {', '.join(base[33:] for base in roots(closure)[:8])}",
    )


def split_name(name: str) -> str:
    """The name without its version, as Nix tells them apart: `gcc` of `gcc-13.2-lib`."""
    match = re.match(r"(.+?)-[^a-zA-Z]", name)
    return match[1] if match else name


def parse_path(path: Any, *, what: str, store: str = STORE) -> str:
    """The base name of a store path.

    Raises:
        CorruptError: it is none.
        InputError: it is one of another store.
    """
    if not isinstance(path, str) or not path.startswith("/"):
        raise CorruptError(f"{what}: {path!r:.200} is no store path", fix=_HOW)
    directory, _, base = path.rpartition("/")
    if directory != store:
        raise _other_store(what, path, store)
    if not _BASE.fullmatch(base):
        raise CorruptError(f"{what}: {path!r:.300} is no store path: 32 characters, -, and a name")
    return base


def _path(key: Any, item: Any, what: str, store: str) -> StorePath:
    base = parse_path(key, what=what, store=store)
    if item is None:
        raise NotFoundError(
            f"{what}: {store}/{base} is not in the store it was asked for",
            fix="build it first: nix-store --realise",
        )
    if not isinstance(item, dict):
        raise CorruptError(f"{what}: {key!r:.200} is not described by an object")
    size = item.get("narSize")
    if type(size) is not int or size < 0:
        raise CorruptError(f"{what}: narSize of {store}/{base} is {size!r:.40}")
    references = item.get("references")
    if not isinstance(references, list):
        raise CorruptError(f"{what}: references of {store}/{base} is no list")
    # Format 2 writes base names where the others write paths.
    others = {
        parse_path(f"{store}/{other}" if "/" not in str(other) else other, what=what, store=store)
        for other in references
    }
    digest = _hash(item.get("narHash"), f"{what}: narHash of {store}/{base}")
    return StorePath(base, digest, size, tuple(sorted(others - {base})))


def _other_store(what: str, path: str, store: str) -> InputError:
    return InputError(
        f"{what}: {path!r:.200} is not in the store {store}",
        fix="programs find each other by these paths: say store_dir if yours is elsewhere",
    )


def _hash(value: Any, what: str) -> str:
    """The hex of a hash that is spelled in any of Nix's ways: SRI, base 32, hex."""
    text = value if isinstance(value, str) else ""
    if isinstance(value, dict) and value.get("algorithm") == "sha256":
        text = f"sha256-{value.get('hash')}"
    digits = text[7:]
    try:
        if text.startswith("sha256-"):
            raw = base64.b64decode(digits, validate=True)
        elif text.startswith("sha256:") and len(digits) == 64:
            raw = bytes.fromhex(digits)
        elif text.startswith("sha256:") and len(digits) == 52:
            raw = _base32(digits)
        else:
            raw = b""
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise CorruptError(f"{what} is {value!r:.100}, which is no sha256")
    return raw.hex()


def _base32(text: str) -> bytes:
    """Nix's base 32: 52 digits, the last ones first; raises ValueError."""
    number = 0
    for digit in text:
        number = number << 5 | _ALPHABET.index(digit)
    # Read from the end: the last digit holds the lowest five bits of the first byte.
    if number >> 256:
        raise ValueError(text)
    return number.to_bytes(32, "little")
