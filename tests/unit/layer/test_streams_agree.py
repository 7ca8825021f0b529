"""Streams of many members and frames, whole and damaged, read as the standard readers read them.

Where those forgive what follows a stream, ours does not. A short form of a longer run.
"""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Iterator

import pytest
import zstandard

from lading.scan.codec import CHUNK, Fault, decompress

_ROUNDS = 150
_SIZES = [0, 1, 100, 65_535, 131_072, 131_073, CHUNK, CHUNK + 1, 2_500_000]
_BEHIND = [b"\0", b"x", b"\x1f\x8b", bytes(10), b"\x28\xb5\x2f\xfd"]


def _content(chance: random.Random) -> bytes:
    size = chance.choice(_SIZES)
    return chance.choice([bytes(size), chance.randbytes(min(size, 100_000)), (b"ab" * size)[:size]])


def _gzip(chance: random.Random, data: bytes) -> bytes:
    packer = zlib.compressobj(chance.choice([0, 1, 9]), wbits=31)
    middle = packer.compress(data) + packer.flush(
        chance.choice([zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH])
    )
    return middle + packer.flush()


def _zstd(chance: random.Random, data: bytes) -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        chance.choice([1, 3]),
        write_checksum=chance.random() < 0.5,
        write_content_size=chance.random() < 0.5,
        window_log=chance.choice([10, 20]),
    )
    note = chance.randbytes(chance.choice([0, 0, 50]))
    skipped = b"\x53\x2a\x4d\x18" + len(note).to_bytes(4, "little") + note if note else b""
    return skipped + zstandard.ZstdCompressor(compression_params=parameters).compress(data)


def _pieces(chance: random.Random, data: bytes) -> Iterator[bytes]:
    while data:
        size = chance.choice([7, 4096, 1 << 16, CHUNK] if len(data) < 20_000 else [1 << 16, CHUNK])
        yield data[:size]
        data = data[size:]


def _damaged(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data))
    return chance.choice(
        [
            data[:at],
            data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :],
            data + chance.choice(_BEHIND),
            data[:at] + chance.randbytes(3) + data[at:],
            data[:at] + data[at + 5 :],
        ]
    )


def _read(chance: random.Random, kind: str, data: bytes) -> bytes:
    out = bytearray()
    for piece in decompress(kind, _pieces(chance, data)):
        assert len(piece) <= CHUNK
        out += piece
    return bytes(out)


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
@pytest.mark.parametrize("seed", range(2))
def test_members_and_frames(kind: str, seed: int) -> None:
    chance = random.Random(seed)
    pack = _gzip if kind == "gzip" else _zstd
    for _ in range(_ROUNDS):
        contents = [_content(chance) for _ in range(chance.choice([1, 2, 3, 10]))]
        data = b"".join(pack(chance, content) for content in contents)
        assert _read(chance, kind, data) == b"".join(contents)
        changed = _damaged(chance, data)
        if changed == data:
            continue
        try:
            found = _read(chance, kind, changed)
        except Fault:
            continue
        # What is read of it all the same is what another reader finds.
        if kind == "gzip":
            assert gzip.decompress(changed) == found
        else:
            reader = zstandard.ZstdDecompressor().stream_reader(changed, read_across_frames=True)
            assert reader.read() == found
