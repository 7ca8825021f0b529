"""Real file systems in a file: ext4, XFS and btrfs.

They are empty ones, as mkfs.ext4 1.47, mkfs.xfs 6.1 and mkfs.btrfs 6.2 make them, compressed: not
every machine has these programs, and a file system of 300 MB is mostly nothing.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from tests.integration.harness.launchers import runfile

__all__ = ["make", "mounted"]


def make(kind: str, image: Path) -> None:
    """Writes an empty file system of that kind into a file."""
    packed = runfile(f"tests/integration/store/{kind}.img.zst").read_bytes()
    with image.open("wb") as file:
        for chunk in zstandard.ZstdDecompressor().read_to_iter(packed):
            if chunk.count(0) == len(chunk):
                file.seek(len(chunk), os.SEEK_CUR)
            else:
                file.write(chunk)
        file.truncate()


@contextlib.contextmanager
def mounted(kind: str, image: Path, place: Path) -> Iterator[None]:
    """Mounts a file system for the time of a block; skips the test where one may not do that."""
    if os.geteuid() or kind not in Path("/proc/filesystems").read_text().split():
        pytest.skip(f"mounting {kind} takes root and a kernel that has it")
    place.mkdir(exist_ok=True)
    # Copies of one file system have one identity, and XFS would not have two of it.
    options = "loop,nouuid" if kind == "xfs" else "loop"
    words = ["mount", "-t", kind, "-o", options, str(image), str(place)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        if any(word in done.stderr for word in ("ermission denied", "permitted", "loop device")):
            pytest.skip(f"{kind} cannot be mounted here: {done.stderr.strip()}")
        pytest.fail(done.stderr)
    try:
        yield
    finally:
        # Lazily only when something is open still: it would go on with the file system.
        if subprocess.run(["umount", str(place)], capture_output=True, check=False).returncode:
            subprocess.run(["umount", "--lazy", str(place)], check=True)
