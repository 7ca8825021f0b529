"""Which packages of a set share a layer, so that an update of one changes little else."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable

from lading.debian.lock import LockedPackage

__all__ = ["LARGE", "SMALL", "SMALL_LAYER", "plan_layers"]

LARGE = 1_000_000  # bytes of .deb from which on a source package has a layer of its own
SMALL_LAYER = 8_000_000  # bytes of .deb that a layer of small packages holds on average, at most
SMALL = "small"


def plan_layers(packages: Iterable[LockedPackage]) -> dict[str, tuple[str, ...]]:
    """Layers by name, each with the sorted names of its packages.

    Packages of one source are updated together and lie in one layer. A source with at least LARGE
    bytes has a layer named after it; the others share a few layers, where a source's place
    depends on its name only: a source that comes or goes moves no other. The number of these
    doubles when their packages no longer fit.

    Args:
        packages: of all architectures, so that the plan is the same for each; sizes count as the
            largest that an architecture has.
    """
    sizes: dict[str, dict[str, int]] = defaultdict(dict)
    for package in packages:
        known = sizes[package.source]
        known[package.name] = max(package.size, known.get(package.name, 0))
    small = {source: found for source, found in sizes.items() if sum(found.values()) < LARGE}
    count = 1
    while count * SMALL_LAYER < sum(sum(found.values()) for found in small.values()):
        count *= 2
    layers: dict[str, list[str]] = defaultdict(list)
    for source, found in sizes.items():
        layers[_small(source, count) if source in small else source] += found
    return {layer: tuple(sorted(layers[layer])) for layer in sorted(layers)}


def _small(source: str, count: int) -> str:
    if count == 1:
        return SMALL
    digest = hashlib.sha256(source.encode()).digest()
    return f"{SMALL}-{int.from_bytes(digest[:8], 'big') % count}"
