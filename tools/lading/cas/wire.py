"""The two messages of ByteStream.Read (google/bytestream/bytestream.proto), on the wire.

    message ReadRequest  { string resource_name = 1; int64 read_offset = 2; int64 read_limit = 3; }
    message ReadResponse { bytes data = 10; }

No small package on PyPI has them, and these lines cost neither a dependency nor the start-up of
the protobuf runtime. Encoding: https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from lading.errors import CorruptError

__all__ = ["READ", "read_request", "response_data"]

READ = "/google.bytestream.ByteStream/Read"

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_DATA = 10


def read_request(resource: str, offset: int) -> bytes:
    """Asks for `resource` from `offset` to its end."""
    name = resource.encode()
    request = b"\x0a" + _varint(len(name)) + name
    return request + b"\x10" + _varint(offset) if offset else request


def response_data(message: bytes) -> bytes:
    """The `data` of a response; fields that are not known are passed over, as they have to be.

    Raises CorruptError for what is no message.
    """
    data = b""
    at, end = 0, len(message)
    while at < end:
        key, at = _read_varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            _, at = _read_varint(message, at)
        elif kind == _LENGTH:
            size, at = _read_varint(message, at)
            if key >> 3 == _DATA:
                data = message[at : at + size]
            at += size
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise CorruptError("the remote cache sends something that is no ReadResponse")
    if at != end:
        raise CorruptError("the remote cache sends a ReadResponse that is cut short")
    return data


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    for byte in message[at : at + 10]:
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
    raise CorruptError("the remote cache sends a ReadResponse that is cut short")
