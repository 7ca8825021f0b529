"""Wheels of real packages: what the layer benchmark makes its inputs of, the same on all machines.

They are pinned by hash in `layer_packages.lock` and `layer_objects.lock`, downloaded once by pip,
and kept in a directory outside of the tree. Nothing of them is installed or run.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["OBJECTS", "PACKAGES", "UnavailableError", "fetch", "members", "unpack"]

PACKAGES = Path(__file__).parent / "layer_packages.lock"
OBJECTS = Path(__file__).parent / "layer_objects.lock"

#: The locks' wheels are those of one platform, so that every machine gets the same bytes.
_PIP = [
    *("--no-deps", "--require-hashes", "--only-binary=:all:", "--python-version=3.13"),
    *("--implementation=cp", "--platform=any", "--platform=manylinux2014_x86_64"),
    *(f"--platform=manylinux_2_{minor}_x86_64" for minor in (17, 24, 27, 28)),
    *("--quiet", "--no-input", "--no-cache-dir", "--disable-pip-version-check"),
]
_MIB = 1 << 20


class UnavailableError(Exception):
    """Why there are no wheels, in a line or two."""


def fetch(locks: list[Path], directory: Path) -> list[Path]:
    """The wheels of `locks`, in their order, from `directory`; what lacks there is downloaded.

    Raises:
        UnavailableError: pip is missing or fails, for example without a network.
    """
    wanted = [digest for lock in locks for digest in _hashes(lock)]
    found = _by_hash(directory)
    if not found.keys() >= set(wanted):
        directory.mkdir(parents=True, exist_ok=True)
        sys.stderr.write(f"downloading wheels into {directory}\n")
        for lock in locks:
            _download(lock, directory)
        found = _by_hash(directory)
        if not found.keys() >= set(wanted):
            raise UnavailableError("pip downloaded other files than the lock names")
    return [found[digest] for digest in wanted]


def _hashes(lock: Path) -> list[str]:
    lines = lock.read_text().splitlines()
    return [line.partition("--hash=sha256:")[2] for line in lines if "--hash=" in line]


def _by_hash(directory: Path) -> dict[str, Path]:
    found = {}
    for path in directory.glob("*.whl"):
        with path.open("rb") as stream:
            found[hashlib.file_digest(stream, "sha256").hexdigest()] = path
    return found


def _download(lock: Path, directory: Path) -> None:
    with tempfile.TemporaryDirectory(dir=directory) as name:
        command = [sys.executable, "-I", "-m", "pip", "download", *_PIP]
        command += [f"--dest={name}", f"--requirement={lock}"]
        result = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        if result.returncode:
            lines = [line for line in result.stderr.splitlines() if line.strip()]
            raise UnavailableError(f"pip download failed: {(lines or ['no reason given'])[-1]}")
        for path in Path(name).glob("*.whl"):
            path.replace(directory / path.name)


def members(wheel: Path, *, matching: Callable[[str], bool]) -> Iterator[bytes]:
    """The contents of a wheel's files whose names match, in the wheel's order."""
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            if not entry.is_dir() and matching(entry.filename):
                yield archive.read(entry)


def unpack(
    wheel: Path,
    root: Path,
    *,
    matching: Callable[[str], bool] = lambda _: True,
    most: int = 1 << 60,
) -> int:
    """Writes a wheel's files below `root`, named as in it, until `most` bytes are written.

    Returns the bytes that were written. The last file is cut where it would be too many.
    """
    written = 0
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            if entry.is_dir() or not matching(entry.filename) or written == most:
                continue
            target = root / entry.filename
            if ".." in target.parts:
                raise UnavailableError(f"{wheel.name} has an entry {entry.filename!r}")
            os.makedirs(target.parent, exist_ok=True)
            with archive.open(entry) as source, target.open("wb") as stream:
                while data := source.read(min(_MIB, most - written)):
                    written += stream.write(data)
    return written
