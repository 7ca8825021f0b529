"""Layers of a worker for tests: files as a rule would name them, and builds with and without it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lading.layer.compress import Compression
from lading.layer.kept import FrameCache
from tests.unit.layer.bench import Built, build

__all__ = ["KINDS", "TARGET", "Tree", "content", "many"]

#: Frames of this size on average make a layer of a few files a layer of many frames.
TARGET = 16 << 10
KINDS = ["gzip", "zstd", "none"]


def content(seed: int, size: int) -> bytes:
    words = random.Random(seed).choices(
        [b"layer ", b"frame ", b"\0\0\0\0", b"digest\n"], k=size // 4
    )
    return b"".join(words)[:size].ljust(size, bytes([65 + seed % 26]))


@dataclass
class Tree:
    """Files as a rule would name them, in a directory, and a worker that builds them."""

    root: Path
    kind: str = "gzip"
    target: int = TARGET
    form: Callable[[str], str] = str
    files: dict[str, bytes] = field(default_factory=dict)
    modes: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    cache: FrameCache = field(default_factory=lambda: FrameCache(1 << 30))
    more: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.root / "out").mkdir(parents=True)
        (self.root / "cold").mkdir()

    def put(self, name: str, data: bytes) -> None:
        path = self.root / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.files[name] = data

    def compression(self) -> Compression:
        return Compression(self.kind, target=self.target)

    def lines(self) -> list[str]:
        files = [f"F\t/{name}\t{self.root}/src/{name}" for name in self.files]
        return [*files, *(f"M\t/{name}\t{meta}" for name, meta in self.modes.items()), *self.more]

    def inputs(self) -> dict[str, str]:
        return {
            f"{self.root}/src/{name}": ""
            if name in self.unknown
            else self.form(hashlib.sha256(data).hexdigest())
            for name, data in self.files.items()
        }

    def warm(self, **options: Any) -> Built:
        """Builds in the worker, where Bazel has removed the outputs of before."""
        for path in (self.root / "out").iterdir():
            path.unlink()
        options = {"inputs": self.inputs(), "cache": self.cache, **options}
        return build(self.root / "out", self.lines(), compression=self.compression(), **options)

    def check(self) -> Built:
        """Builds in the worker and without one: the same bytes."""
        warm = self.warm()
        cold = build(self.root / "cold", self.lines(), compression=self.compression())
        assert warm.metadata == cold.metadata
        assert warm.blob == cold.blob
        return warm


def many(tmp_path: Path, kind: str = "gzip", **options: Any) -> Tree:
    tree = Tree(tmp_path, kind, **options)
    for number in range(200):
        tree.put(f"f{number:03}", content(number, 1000 + number))
    tree.put("f100b", content(7, 200_000))
    return tree
