"""Trees for the benchmark of layers: the same on every run of one machine, by a seed.

Content is cut from files of the machine, because what made-up data compresses to says little: text
from sources and documents, binaries from programs and shared objects, dense data from archives.
Each stream goes through all files of its kind in a random order before it comes back to one, so
that nothing repeats within a compressor's window.
"""

from __future__ import annotations

import os
import random
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["CASES", "Tree", "existing_tree", "make_tree"]

_TEXT = (".c", ".h", ".html", ".js", ".json", ".md", ".pl", ".pm", ".py", ".rst", ".ts", ".txt")
_DENSE = (".gz", ".jar", ".png", ".whl", ".woff2", ".xz", ".zip", ".zst")
_PLACES = ("/usr/bin", "/usr/lib", "/usr/libexec", "/usr/share", os.path.dirname(os.__file__))
_MIB = 1 << 20

#: What can be measured, and what it stands for.
CASES = {
    "a": "20,000 files as in Python packages, about 550 MB",
    "b": "1 GiB in few files: 55 % binaries, 20 % archives, 15 % text, 10 % random",
    "c": "three tiny files",
    "d": "100,000 small files",
    "e": "one sparse file of 8 GiB",
}


@dataclass(frozen=True)
class Tree:
    """A directory, and its files in the order of a layer, relative to it."""

    root: Path
    files: list[str]
    bytes: int


class _Stream:
    """An endless stream of what the files of one kind hold."""

    def __init__(self, files: list[str], rng: random.Random) -> None:
        if not files:
            sys.exit("this machine has no files to make the benchmark's input of")
        self._files = files
        self._rng = rng
        self._pieces = self._read()
        self._rest = memoryview(b"")

    def _read(self) -> Iterator[bytes]:
        while True:
            self._rng.shuffle(self._files)
            for path in self._files:
                with open(path, "rb") as stream:
                    while data := stream.read(4 * _MIB):
                        yield data

    def take(self, size: int) -> Iterator[bytes | memoryview]:
        """The next `size` bytes, in pieces."""
        while size:
            if not self._rest:
                self._rest = memoryview(next(self._pieces))
            piece = self._rest[:size]
            self._rest = self._rest[size:]
            size -= len(piece)
            yield piece


def _corpus() -> tuple[list[str], list[str], list[str]]:
    """Files of the machine that are (text, binaries, dense), each sorted."""
    kinds: tuple[set[str], set[str], set[str]] = (set(), set(), set())
    for place in _PLACES:
        for directory, _, names in os.walk(place):
            for name in names:
                path = os.path.join(directory, name)
                if os.path.islink(path) or not os.access(path, os.R_OK):
                    continue
                end = os.path.splitext(name)[1]
                if end in _TEXT:
                    kinds[0].add(path)
                elif end in _DENSE:
                    kinds[2].add(path)
                elif ".so" in name or place.endswith(("bin", "libexec")):
                    with open(path, "rb") as stream:
                        if stream.read(4) == b"\x7fELF":
                            kinds[1].add(path)
    return sorted(kinds[0]), sorted(kinds[1]), sorted(kinds[2])


def _packages(rng: random.Random, count: int) -> Iterator[tuple[str, str, int]]:
    """(path, kind, size) as pip installs them: much small source, some large shared objects."""
    for number in range(count):
        package = f"package_{number // 97:03}/part_{number // 13 % 9}"
        if number % 10 == 9:
            size = min(int(rng.lognormvariate(11.1, 1.3)), 24 * _MIB)
            yield f"{package}/module_{number:05}.so", "binary", size
        else:
            size = min(int(rng.lognormvariate(8.6, 1.3)), 4 * _MIB)
            yield f"{package}/module_{number:05}.py", "text", size


def _few(rng: random.Random) -> Iterator[tuple[str, str, int]]:
    shares = {"binary": 55, "dense": 20, "text": 15, "random": 10}
    for kind, share in shares.items():
        left = (1 << 30) * share // 100
        number = 0
        while left:
            size = min(left, rng.randrange(_MIB, 120 * _MIB))
            yield f"{kind}/{number:03}.bin", kind, size
            left -= size
            number += 1


def _many(rng: random.Random) -> Iterator[tuple[str, str, int]]:
    for number in range(100_000):
        yield f"d{number // 250:03}/f{number:06}", "text", rng.randrange(1, 2400)


def _plan(case: str, rng: random.Random) -> Iterator[tuple[str, str, int]]:
    if case == "a":
        return _packages(rng, 20_000)
    if case == "b":
        return _few(rng)
    if case == "c":
        return iter([(f"file_{number}", "text", 300 * number) for number in (1, 2, 3)])
    if case == "d":
        return _many(rng)
    return iter([("sparse", "sparse", 8 << 30)])


def make_tree(case: str, root: Path, *, seed: int = 1) -> Tree:
    """Writes the tree of one of CASES below `root`, a directory that is made.

    A process of its own does it: the memory of whoever starts a program counts as that program's,
    in what the kernel reports as its peak.
    """
    child = os.fork()
    if not child:
        try:
            _write(case, root, seed)
        except BaseException:  # noqa: BLE001  # the parent says that it failed
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(f"the input ({case}) cannot be made")
    return existing_tree(root)


def existing_tree(root: Path) -> Tree:
    """The regular files of a directory that is there."""
    files = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    return Tree(root, files, sum((root / path).stat().st_size for path in files))


def _write(case: str, root: Path, seed: int) -> None:
    rng = random.Random(f"{case} {seed}")
    text, binary, dense = _corpus()
    streams = {
        "text": _Stream(text, random.Random(seed)),
        "binary": _Stream(binary, random.Random(seed)),
    }
    if case == "b":
        streams["dense"] = _Stream(dense, random.Random(seed))
    for path, kind, size in _plan(case, rng):
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as stream:
            if kind == "sparse":
                stream.truncate(size)
            elif kind == "random":
                stream.write(rng.randbytes(size))
            else:
                stream.writelines(streams[kind].take(size))
