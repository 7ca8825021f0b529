"""Pixels of a PNG (W3C PNG, third edition), as far as Chromium writes them: 8 bits, RGB or RGBA."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

__all__ = ["Picture", "decode"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {2: 3, 6: 4}  # colour type to bytes of a pixel


@dataclass(frozen=True)
class Picture:
    """A picture of `width` × `height` pixels, row by row from the top; a pixel is its channels."""

    width: int
    height: int
    pixels: list[bytes]

    def colours(self) -> set[bytes]:
        """The different colours, without their transparency."""
        return {pixel[:3] for pixel in self.pixels}

    def at(self, x: int, y: int) -> bytes:
        """The colour of a pixel, without its transparency."""
        return self.pixels[y * self.width + x][:3]


def decode(data: bytes) -> Picture:
    """Decodes a PNG; raises ValueError for what is none or has another form."""
    if not data.startswith(_SIGNATURE):
        raise ValueError("no PNG")
    offset, chunks = len(_SIGNATURE), []
    while offset < len(data):
        length, kind = struct.unpack_from(">I4s", data, offset)
        body = data[offset + 8 : offset + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, offset + 8 + length)
        if zlib.crc32(kind + body) != checksum:
            raise ValueError(f"the chunk {kind!r} is damaged")
        chunks.append((kind, body))
        offset += 12 + length
    width, height, depth, colour, *_, interlaced = struct.unpack(">IIBBBBB", dict(chunks)[b"IHDR"])
    if depth != 8 or colour not in _CHANNELS or interlaced:
        raise ValueError(f"depth {depth}, colour type {colour}, interlacing {interlaced}")
    raw = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    size = _CHANNELS[colour]
    pixels: list[bytes] = []
    above = bytes(width * size)
    for row in range(height):
        start = row * (width * size + 1)
        above = _unfilter(raw[start], raw[start + 1 : start + 1 + width * size], above, size)
        pixels += [above[at : at + size] for at in range(0, len(above), size)]
    return Picture(width, height, pixels)


def _unfilter(kind: int, line: bytes, above: bytes, size: int) -> bytes:
    """Section 9.2: what was stored is the difference to a prediction from the neighbours."""
    result = bytearray(line)
    for at, value in enumerate(line):
        left = result[at - size] if at >= size else 0
        corner = above[at - size] if at >= size else 0
        guess = (0, left, above[at], (left + above[at]) // 2, _paeth(left, above[at], corner))[kind]
        result[at] = (value + guess) & 0xFF
    return bytes(result)


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))
