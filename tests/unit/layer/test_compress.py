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


_CASES = [(1, True), (0.3, False), (0, False)]


@pytest.mark.parametrize(
    ("profile", "dense", "stored"),
    [
        *(("fast", dense, stored) for dense, stored in [*_CASES, (0.9, True), (0.5, False)]),
        *(("small", dense, stored) for dense, stored in [*_CASES, (0.7, False)]),
        *(("smallest", dense, stored) for dense, stored in [*_CASES, (0.7, False)]),
    ],
)
def test_a_frame_is_stored_when_compressing_it_gains_too_little(
    profile: str, dense: float, *, stored: bool
) -> None:
    frame = _mixed(dense)
    packed = bytes(Compression("gzip", profile).compressor()(frame))
    assert zlib.decompress(packed, 31) == frame
    assert (len(packed) > _SIZE) == stored
    assert len(packed) < ((1 if stored else dense) + 0.1) * _SIZE


def test_a_frame_that_is_stored_could_not_have_saved_much() -> None:
    # Samples are taken at eight places; what lies between them is of the same kind.
    frame = _mixed(0.98)
    packed = Compression("gzip").compressor()(frame)
    assert len(packed) < 1.01 * _SIZE
    assert len(zlib.compress(frame, 1)) > 0.95 * len(packed)
