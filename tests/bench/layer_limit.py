"""The floor of a layer's time: its compression, both SHA-256, reading and writing, and no more.

    python -m tests.bench.layer_limit KIND PROFILE OUTPUT <names-of-files

Each is measured in CPU seconds of one thread, on frames of a fixed size that lie in memory.
Nothing can be faster than their sum divided by the processors: all of them busy, from the first
moment to the last, with nothing between the stages and no interpreter to start.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lading.layer.compress import Compression
from tests.bench.layer_inputs import Tree
from tests.bench.layer_tools import environment

__all__ = ["STAGES", "Limit", "limit"]

STAGES = ("read", "sha256 of the archive", "compress", "sha256 of the blob", "write")


@dataclass(frozen=True)
class Limit:
    """CPU seconds of each of STAGES, and the bytes that come out."""

    seconds: dict[str, float]
    size: int

    @property
    def cpu(self) -> float:
        return sum(self.seconds.values())

    @property
    def least(self) -> float:
        """Seconds on all processors that this process may use."""
        return self.cpu / len(os.sched_getaffinity(0))


def limit(tree: Tree, kind: str, profile: str, scratch: Path) -> Limit:
    """Measures it once, in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.layer_limit", kind, profile]
    command.append(str(scratch / "blob"))
    names = "".join(f"{tree.root}/{name}\0" for name in tree.files)
    result = subprocess.run(
        command, input=names.encode(), env=environment(), stdout=subprocess.PIPE, check=True
    )
    return Limit(**json.loads(result.stdout))


def _measure(files: list[bytes], compression: Compression, output: str) -> Limit:
    spent = dict.fromkeys(STAGES, 0.0)
    compress = compression.compressor()
    archive, blob = hashlib.sha256(), hashlib.sha256()
    now = time.thread_time
    size = 0
    fd = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for frame in _frames(files, compression.target, spent):
        times = [now()]
        archive.update(frame)
        times.append(now())
        packed = compress(frame)
        times.append(now())
        blob.update(packed)
        times.append(now())
        size += os.write(fd, packed)
        times.append(now())
        for stage, before, after in zip(STAGES[1:], times, times[1:], strict=False):
            spent[stage] += after - before
    os.close(fd)
    return Limit(spent, size)


def _frames(files: list[bytes], target: int, spent: dict[str, float]) -> Iterator[bytearray]:
    """The archive of `files` in frames; the time to read is added to `spent`, headers are not."""
    frame = bytearray()
    buffer = bytearray(1 << 20)
    for path in files:
        with open(path, "rb") as stream:
            info = tarfile.TarInfo(os.fsdecode(path)[-100:])
            info.size = os.fstat(stream.fileno()).st_size
        frame += info.tobuf(tarfile.USTAR_FORMAT)
        started = time.thread_time()
        fd = os.open(path, os.O_RDONLY)
        left = info.size
        while left > 0:
            left -= (count := os.readv(fd, [buffer])) or left
            spent["read"] += time.thread_time() - started
            frame += memoryview(buffer)[:count]
            while len(frame) >= target:
                yield frame[:target]
                del frame[:target]
            started = time.thread_time()
        os.close(fd)
        spent["read"] += time.thread_time() - started
        frame += bytes(-len(frame) % 512)
    yield frame + bytes(1024)


def _main() -> None:
    kind, profile, output = sys.argv[1:]
    files = sys.stdin.buffer.read().split(b"\0")[:-1]
    result = _measure(files, Compression(kind, profile), output)
    print(json.dumps({"seconds": result.seconds, "size": result.size}))


if __name__ == "__main__":
    _main()
