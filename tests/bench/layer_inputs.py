"""Trees for the benchmark of layers, of real packages where they can be had.

Made of wheels that are pinned by hash, a tree is the same on every machine. Without them it is
generated from the machine's own files: the same on every run there, by a seed, and not comparable
with any other machine's.
"""

from __future__ import annotations

import hashlib
import os
import random
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench import layer_packages
from tests.bench.layer_corpus import Stream, of_machine, text_of_wheels

__all__ = ["CASES", "Tree", "Wheels", "existing_tree", "make_tree"]

_MIB = 1 << 20
_GIB = 1 << 30

#: What can be measured, and what it stands for.
CASES = {
    "a": "Python packages, about 22,000 files in 550 MB",
    "b": "1 GiB in few files: 55 % shared objects, 20 % archives, 15 % text, 10 % random",
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

    def fingerprint(self) -> str:
        """The begin of a sha256 of names and contents: two machines can tell that they agree."""
        total = hashlib.sha256()
        for name in self.files:
            with (self.root / name).open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256")
            total.update(f"{digest.hexdigest()}  {name}\n".encode())
        return total.hexdigest()[:12]


@dataclass(frozen=True)
class Wheels:
    """Wheels that trees are made of: Python packages, and some with large shared objects."""

    packages: list[Path]
    objects: list[Path]


def make_tree(case: str, root: Path, wheels: Wheels | None, *, seed: int = 1) -> Tree:
    """Writes the tree of one of CASES below `root`, a directory that is made.

    A process of its own does it: the memory of whoever starts a program counts as that program's,
    in what the kernel reports as its peak.

    Args:
        case: which.
        root: where.
        wheels: what it is made of, or None for the machine's files.
        seed: of what is random.
    """
    child = os.fork()
    if not child:
        try:
            root.mkdir(parents=True)
            _write(case, root, wheels, seed)
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


def _write(case: str, root: Path, wheels: Wheels | None, seed: int) -> None:
    if case == "e":
        with (root / "sparse").open("wb") as stream:
            stream.truncate(8 * _GIB)
    elif wheels and case == "a":
        for wheel in wheels.packages:
            layer_packages.unpack(wheel, root)
    elif wheels and case == "b":
        _few_of_wheels(root, wheels, seed)
    else:
        streams = {"text": text_of_wheels(wheels.packages)} if wheels else of_machine(seed)
        _write_plan(root, _plan(case, random.Random(f"{case} {seed}")), streams, seed)


def _few_of_wheels(root: Path, wheels: Wheels, seed: int) -> None:
    """Shared objects as they are in wheels, wheels as archives, their sources in large files."""
    everything = [*wheels.objects, *wheels.packages]
    left = _GIB * 55 // 100
    for wheel in everything:
        if left:
            binary = root / "binary"
            left -= layer_packages.unpack(
                wheel, binary, matching=lambda name: ".so" in name, most=left
            )
    left = _GIB * 20 // 100
    (root / "dense").mkdir()
    for wheel in everything:
        with wheel.open("rb") as source:
            data = source.read(left)
        if data:
            left -= (root / "dense" / wheel.name).write_bytes(data)
    plan = [
        (f"{kind}/{number:02}.bin", kind, _GIB * share // 100 // 8)
        for kind, share in (("text", 15), ("random", 10))
        for number in range(8)
    ]
    _write_plan(root, iter(plan), {"text": text_of_wheels(wheels.packages)}, seed)


def _plan(case: str, rng: random.Random) -> Iterator[tuple[str, str, int]]:
    """(path, kind, size) of the files of a tree that is cut from streams."""
    if case == "a":
        return _packages(rng, 20_000)
    if case == "b":
        return _few(rng)
    if case == "c":
        return iter([(f"file_{number}", "text", 300 * number) for number in (1, 2, 3)])
    return _many(rng)


def _packages(rng: random.Random, count: int) -> Iterator[tuple[str, str, int]]:
    """As pip installs them: much small source, some large shared objects."""
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
        left = _GIB * share // 100
        number = 0
        while left:
            size = min(left, rng.randrange(_MIB, 120 * _MIB))
            yield f"{kind}/{number:03}.bin", kind, size
            left -= size
            number += 1


def _many(rng: random.Random) -> Iterator[tuple[str, str, int]]:
    for number in range(100_000):
        yield f"d{number // 250:03}/f{number:06}", "text", rng.randrange(1, 2400)


def _write_plan(
    root: Path, plan: Iterator[tuple[str, str, int]], streams: dict[str, Stream], seed: int
) -> None:
    rng = random.Random(seed)
    for path, kind, size in plan:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as stream:
            if kind == "random":
                stream.write(rng.randbytes(size))
            else:
                stream.writelines(streams[kind].take(size))
