"""Layers as coloured bars."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lading.oci.digest import Digest
from lading_dashboard.figures import segments, shared_layers
from lading_dashboard.images import Image, Layer, Manifest


def _layer(size: int, name: str = "") -> Layer:
    return Layer(Digest.of(name.encode() or str(size).encode()), "application/x", size)


def _image(name: str, *layers: Layer) -> Image:
    digest = Digest.of(name.encode())
    return Image(name, digest, "x", 1, manifests=(Manifest(digest, "x", 1, layers=layers),))


def test_layers_of_several_images_have_a_colour_the_largest_first() -> None:
    base, python, own = _layer(5), _layer(50), _layer(70)
    shared = shared_layers(
        [_image("a", base, python), _image("b", base, python), _image("c", base, own)]
    )
    assert set(shared) == {base.digest, python.digest}
    assert (shared[python.digest].colour, shared[python.digest].images) == ("s0", 2)
    assert (shared[base.digest].colour, shared[base.digest].images) == ("s1", 3)


def test_layer_twice_in_one_image_is_not_shared() -> None:
    layer = _layer(5)
    assert shared_layers([_image("a", layer, layer)]) == {}


def test_bar_is_to_scale() -> None:
    first, second = segments([_layer(300), _layer(100)], {}, largest=800)
    assert (first.x, first.width) == (0, 375)
    assert (second.x, second.width) == (375, 125)
    assert first.colour != second.colour


@given(
    sizes=st.lists(st.integers(0, 2**50), max_size=500),
    largest=st.integers(0, 2**50),
)
def test_bar_never_leaves_its_track_and_shows_every_layer(sizes: list[int], largest: int) -> None:
    found = segments([_layer(size) for size in sizes], {}, largest=largest)
    assert len(found) == len(sizes)
    assert all(segment.width > 0 for segment in found)
    if found:
        assert found[-1].x + found[-1].width <= 1000.1
