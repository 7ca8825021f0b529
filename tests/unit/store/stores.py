"""Stores with images in them, for tests."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lading.oci.descriptor import Descriptor
from lading.store import naming, save
from lading.store.save import Facts, Saved
from tests.unit.store import tiny

if TYPE_CHECKING:
    import pytest

__all__ = ["an_image", "as_on_nfs", "save_image"]


def an_image(text: str = "hello", size: int = 0) -> tuple[tiny.MemoryContent, Descriptor]:
    """An image of two layers that differs for each `text`; `size` more bytes do not compress."""
    content = tiny.MemoryContent()
    layers = [
        tiny.layer({"base": b"base"}),
        tiny.layer({"text": text.encode()}),
    ]
    if size:
        layers.append(tiny.layer({"big": bytes(size)}, "none"))
    return content, tiny.image(content, layers)


def save_image(
    root: Path,
    name: str = "capy-ubuntu-24.04-gcc13",
    text: str = "hello",
    *,
    packages: Sequence[str] = (),
    tools: Sequence[str] = (),
    size: int = 0,
) -> Saved:
    """Saves such an image."""
    content, source = an_image(text, size)
    facts = Facts(naming.parse(name), packages=tuple(packages), tools=tuple(tools))
    return save.save(root, content, source, facts)


def as_on_nfs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks files as NFS does: shared ones that can be read, others that can be written."""
    real = fcntl.flock

    def flock(file: Any, operation: int) -> None:
        number = file if isinstance(file, int) else file.fileno()
        mode = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE
        refused = os.O_WRONLY if operation & fcntl.LOCK_SH else os.O_RDONLY
        if not operation & fcntl.LOCK_UN and mode == refused:
            raise OSError(errno.EBADF, "Bad file descriptor")
        real(number, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
