"""How layers look: coloured segments of a bar."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lading.oci.digest import Digest
from lading.store.sizes import human
from lading_dashboard.images import Image, Layer

__all__ = ["Segment", "Shared", "segments", "shared_layers"]

#: Colours for layers that several images share, as classes `s0`… of the style sheet.
_COLOURS = 8
#: Drawing units of a whole bar, and the least that a layer gets so that it can be seen.
_WHOLE = 1000.0
_LEAST = 4.0


@dataclass(frozen=True, slots=True)
class Shared:
    """A layer that more than one image has: its colour, and how many images have it."""

    colour: str
    images: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A layer in a bar: where it starts and how wide it is, of 1000, and its class and text."""

    x: float
    width: float
    colour: str
    text: str


def shared_layers(images: Iterable[Image]) -> Mapping[Digest, Shared]:
    """The layers that more than one of `images` has, the largest first in the order of colours."""
    sizes: dict[Digest, int] = {}
    counts: Counter[Digest] = Counter()
    for image in images:
        layers = {layer.digest: layer.size for item in image.manifests for layer in item.layers}
        sizes.update(layers)
        counts.update(layers.keys())
    common = [digest for digest, count in counts.items() if count > 1]
    common.sort(key=lambda digest: (-sizes[digest], digest))
    return {
        digest: Shared(f"s{number % _COLOURS}", counts[digest])
        for number, digest in enumerate(common)
    }


def segments(
    layers: Sequence[Layer], shared: Mapping[Digest, Shared], *, largest: int = 0
) -> tuple[Segment, ...]:
    """A bar of `layers`.

    Args:
        layers: bottom layer first.
        shared: what `shared_layers` found.
        largest: bytes that fill the whole bar; by default all of `layers`.
    """
    total = sum(layer.size for layer in layers)
    scale = _WHOLE / max(total, largest, 1)
    widths = [max(layer.size * scale, _LEAST) for layer in layers]
    # Many tiny layers would not fit with the least width each: shrink all alike.
    squeeze = min(1.0, _WHOLE / sum(widths)) if widths else 1.0
    found, x = [], 0.0
    for number, (layer, width) in enumerate(zip(layers, widths, strict=True)):
        common = shared.get(layer.digest)
        text = f"{human(layer.size)}, {layer.digest.hex[:12]}"
        if common:
            text += f", in {common.images} images"
        colour = common.colour if common else f"u{number % 2}"
        found.append(Segment(round(x, 2), round(width * squeeze, 2), colour, text))
        x += width * squeeze
    return tuple(found)
