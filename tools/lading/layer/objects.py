"""Objects of a Nix store in a layer, each checked against the hash that its closure says."""

from __future__ import annotations

import hashlib
import os

from lading.errors import CorruptError, InputError
from lading.layer.nar import add_nar, add_object, hash_object
from lading.layer.reading import open_file, read_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lading.layer.plan import Plan

__all__ = ["add_objects"]

_CHUNK = 1 << 20


def add_objects(
    plan: Plan,
    objects: Sequence[tuple[str, str, str]],
    changes: Mapping[str, object],
) -> None:
    """Adds the entries of each (kind, path in the image, source).

    Kind N is a Nix archive and O an object in a store on this machine, by their paths. Kind V is
    the hash that the object at the same path in the image has: `HEX:SIZE` of its archive.

    Raises:
        CorruptError: an object does not have its hash.
        LadingError: see `add_nar` and `add_object`.
    """
    expected = {place: source for kind, place, source in objects if kind == "V"}
    for kind, place, source in objects:
        if kind == "V":
            continue
        if place in expected:
            _verify(
                place, expected[place], *(_file(source) if kind == "N" else hash_object(source))
            )
        if kind == "N":
            add_nar(source, place, plan.add, changes)
        else:
            add_object(source, place, plan.add, changes)


def _verify(place: str, expected: str, digest: str, size: int) -> None:
    wanted, _, bytes_ = expected.partition(":")
    if len(wanted) != 64 or not bytes_.isdecimal():
        raise InputError(f"{expected!r:.200} is not HEX:SIZE")
    fix = f"run nix-store --verify-path /{place}, or export the closure again"
    if size != int(bytes_):
        raise CorruptError(
            f"/{place} has {size} bytes as a NAR, its closure says {bytes_}", fix=fix
        )
    if digest != wanted:
        raise CorruptError(
            f"/{place} has the NAR hash sha256:{digest}, its closure says sha256:{wanted}", fix=fix
        )


def _file(path: str) -> tuple[str, int]:
    """sha256 in hex, and size, of a file."""
    fd, size = open_file(path)
    digest = hashlib.sha256()
    try:
        while data := os.read(fd, _CHUNK):
            digest.update(data)
    except OSError as error:
        raise read_error(path, error) from None
    finally:
        os.close(fd)
    return digest.hexdigest(), size
