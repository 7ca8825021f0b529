"""A push to the embedded default: an OCI image layout directory below the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lading.commands.deploy import Deploy
from lading.commands.meter import Meter
from lading.commands.transfer import Transfer
from lading.oci.content import Content, walk
from lading.store import layouts

__all__ = ["references", "write"]


def references(directory: Path, image: Deploy, tags: Sequence[str]) -> list[str]:
    """The names under which skopeo and podman find the image and its companions."""
    place = f"oci:{directory}"
    named = [*tags, *(tag for item in image.companions for tag in item.tags)]
    return [f"{place}:{tag}" for tag in named] or [place]


def write(
    directory: Path, image: Deploy, content: Content, tags: Sequence[str], *, dry_run: bool
) -> dict[str, Any]:
    """Writes an image and what goes with it; returns what became of it, in the words of --json.

    A dry run opens everything, so that what is missing shows. Raises what `layouts.write` does.
    """
    entries = [(image.root, tags), *((item.root, item.tags) for item in image.companions)]
    if dry_run:
        for root, _ in entries:
            for descriptor, _ in walk(content, root):
                content.open(descriptor).close()
        return {}
    with Meter(f"{image.label}: written") as meter:
        written = [
            layouts.write(directory, root, content, names, progress=Transfer(meter))
            for root, names in entries
        ]
    return {
        "sent": sum(item.sent for item in written),
        "sentBytes": sum(item.sent_bytes for item in written),
        "existing": sum(item.existing for item in written),
        "changed": any(item.changed for item in written),
    }
