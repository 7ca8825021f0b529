"""Reads the package indexes of a suite from a mirror: signature, then hashes, then text."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lading.debian.fetch import fetch
from lading.debian.release import IndexFile, Release, check_release, parse_release
from lading.debian.signature import signed_text
from lading.errors import CorruptError, LimitError, NotFoundError

__all__ = ["Suite", "open_suite", "read_packages"]

_RELEASE_LIMIT = 16 << 20  # Debian's is 140 KiB
_INDEX_LIMIT = 512 << 20  # Debian main is 57 MB for one architecture
# Best first: the smallest transfer.
_OPENERS = {".xz": lzma.open, ".gz": gzip.open, "": None}


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite of an archive whose Release file is verified, and the mirrors to read it from."""

    name: str
    archive: str
    mirrors: tuple[str, ...]
    release: Release


def open_suite(
    mirrors: Sequence[str],
    suite: str,
    archive: str,
    *,
    keyring: Path,
    now: datetime,
    allow_expired: bool = False,
) -> Suite:
    """Fetches and verifies `dists/<suite>/InRelease`.

    Raises:
        NotFoundError: no mirror has the suite.
        UnreachableError: a mirror does not answer.
        CorruptError: the signature, the suite or the dates are wrong.
    """
    path = f"dists/{suite}/InRelease"
    message = fetch(mirrors, path, limit=_RELEASE_LIMIT)
    release = parse_release(signed_text(message, keyring, path), path)
    check_release(release, suite, path, now=now, allow_expired=allow_expired)
    return Suite(suite, archive, tuple(mirrors), release)


def read_packages(suite: Suite, component: str, architecture: str) -> list[str]:
    """The texts of the Packages files of one architecture, with those of `all`.

    Raises:
        NotFoundError: the suite does not have that component or architecture.
        CorruptError: a file does not match the hash that was signed.
        UnreachableError, LimitError: see fetch.
    """
    architectures = [architecture]
    if suite.release.split_all:
        architectures.append("all")
    return [_read_index(suite, f"{component}/binary-{name}/Packages") for name in architectures]


def _read_index(suite: Suite, path: str) -> str:
    for ending, opener in _OPENERS.items():
        file = suite.release.files.get(path + ending)
        if file is None:
            continue
        data = _fetch_verified(suite, file)
        if opener is None:
            return _text(data, path)
        plain = suite.release.files.get(path)
        limit = plain.size if plain is not None else _INDEX_LIMIT
        try:
            with opener(io.BytesIO(data)) as stream:
                content = stream.read(limit + 1)
        except (OSError, EOFError, lzma.LZMAError) as error:
            raise CorruptError(f"{suite.name}: {file.path} cannot be unpacked: {error}") from None
        if len(content) > limit:
            raise LimitError(f"{suite.name}: {file.path} unpacks to more than {limit} bytes")
        return _text(content, path)
    raise NotFoundError(
        f"the suite {suite.name} has no {path}",
        fix=f"its architectures are {', '.join(sorted(suite.release.architectures - {'all'}))}",
    )


def _fetch_verified(suite: Suite, file: IndexFile) -> bytes:
    folder = f"dists/{suite.name}"
    names = [f"{folder}/{file.path}"]
    if suite.release.by_hash:
        # While a mirror is being updated the plain name may already be the next version.
        parent = file.path.rpartition("/")[0]
        names.insert(0, f"{folder}/{parent}/by-hash/SHA256/{file.sha256}")
    limit = min(file.size, _INDEX_LIMIT)
    data = b""
    for name in names:
        try:
            data = fetch(suite.mirrors, name, limit=limit)
            break
        except NotFoundError:
            if name == names[-1]:
                raise
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise CorruptError(
            f"{suite.name}: {file.path} does not have the sha256 that its signed Release states",
            fix="the mirror is being updated or is damaged: try again later or use another one",
        )
    return data


def _text(data: bytes, path: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise CorruptError(f"{path} is not UTF-8 text") from None
