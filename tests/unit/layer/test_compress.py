"""Which frames gzip stores: those that are compressed or encrypted already, or nearly so."""

from __future__ import annotations

import random
import zlib

import pytest

from lading.layer.compress import Compression

_SIZE = 1 << 20


def _mixed(dense: float) -> bytes:
    """Blocks of a page of which a share is random, in random order."""
    rng = random.Random(1)
    blocks = [
        rng.randbytes(4096) if number < dense * 256 else b"a text of no great interest\n" * 146
        for number in range(256)
    ]
    rng.shuffle(blocks)
    return b"".join(block[:4096].ljust(4096) for block in blocks)


@pytest.mark.parametrize(
    ("profile", "dense", "stored"),
    [
        ("fast", 1, True),
        ("fast", 0.9, True),
        ("fast", 0.5, False),
        ("fast", 0.3, False),
        ("fast", 0, False),
        ("small", 1, True),
        ("small", 0.7, False),
        ("small", 0.3, False),
        ("small", 0, False),
        ("smallest", 1, True),
        ("smallest", 0.7, False),
        ("smallest", 0, False),
    ],
)
def test_a_frame_is_stored_when_compressing_it_gains_too_little(
    profile: str, dense: float, *, stored: bool
) -> None:
    frame = _mixed(dense)
    packed = bytes(Compression("gzip", profile).compressor()(frame))
    assert zlib.decompress(packed, 31) == frame
    assert (len(packed) > _SIZE) == stored
    assert stored or len(packed) < (dense + 0.1) * _SIZE


def test_a_frame_that_is_stored_could_not_have_saved_much() -> None:
    # Samples are taken at eight places; what lies between them is of the same kind.
    frame = _mixed(0.98)
    packed = Compression("gzip", "small").compressor()(frame)
    assert len(packed) < 1.01 * _SIZE
    assert len(zlib.compress(frame, 1)) > 0.95 * len(packed)
