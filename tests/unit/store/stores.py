"""Stores with images in them, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lading.oci.descriptor import Descriptor
from lading.store import naming, save
from lading.store.save import Facts, Saved
from tests.unit.store import tiny

__all__ = ["an_image", "save_image"]


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
