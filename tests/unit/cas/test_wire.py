"""Messages on the wire."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.cas import wire
from lading.errors import CorruptError
from tests.unit.cas.byte_stream import decode


def test_request_is_what_protobuf_writes() -> None:
    # printf 'resource_name: "blobs/ab/300" read_offset: 300' | protoc --encode=…ReadRequest
    assert wire.read_request("blobs/ab/300", 300) == b"\x0a\x0cblobs/ab/300\x10\xac\x02"
    assert wire.read_request("a", 0) == b"\x0a\x01a"


@given(st.text(max_size=300), st.integers(0, 2**63 - 1))
def test_request_reads_back(name: str, offset: int) -> None:
    assert decode(wire.read_request(name, offset)) == (name, offset)


def test_response_passes_over_fields_that_are_not_known() -> None:
    unknown = b"\x08\xac\x02" + b"\x11" + bytes(8) + b"\x1d" + bytes(4) + b"\x22\x02hi"
    assert wire.response_data(unknown + b"\x52\x03abc" + unknown) == b"abc"
    assert wire.response_data(b"") == b""


@pytest.mark.parametrize(
    "message",
    [b"\x52", b"\x52\x05abc", b"\x52\x80", b"\x53", b"\x11\x00", b"\x52" + b"\xff" * 10],
)
def test_response_that_is_none_is_an_error(message: bytes) -> None:
    with pytest.raises(CorruptError):
        wire.response_data(message)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(message: bytes) -> None:
    with contextlib.suppress(CorruptError):
        wire.response_data(message)
