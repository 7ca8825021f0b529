"""JSON read strictly and written canonically."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.errors import CorruptError, LimitError
from lading.oci import document

TEXT = st.text(st.characters(codec="utf-8"), max_size=6)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(TEXT, JSON))
def test_what_is_written_reads_back_in_its_order(value: dict[str, Any]) -> None:
    data = document.dumps(value)
    read = document.loads_object(data, what="x")
    assert read == value
    assert document.dumps(read) == data


def test_the_form_is_compact_utf_8() -> None:
    assert document.dumps({"b": "é", "a": [1, 2]}) == '{"b":"é","a":[1,2]}'.encode()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a":1,"a":1}', "'a' occurs twice"),
        (b'{"a":1,"b":1,"b":2}', "'b' occurs twice"),
        (b'{"x":{"layers":[],"layers":[]}}', "'layers' occurs twice"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":-Infinity}', "-Infinity"),
        (b"{", "not valid"),
        (b"{} {}", "not valid"),
        (b"", "not valid"),
        (b'"\xff"', "not valid"),
        (b"\xef\xbb\xbf{}", "not valid"),
        (b"[" * 200_000, "nested too deep"),
        (b'{"a":' * 200_000, "nested too deep"),
        (b"1" * 5000, "not valid"),
    ],
)
def test_what_two_readers_would_read_differently_is_refused(data: bytes, reason: str) -> None:
    """CVE-2021-41190, and `json.loads` keeping the last of two equal keys."""
    with pytest.raises(CorruptError, match="manifest") as caught:
        document.loads(data, what="the manifest")
    assert reason in str(caught.value)


def test_size_is_limited_before_anything_is_parsed() -> None:
    limit = document.MAX_DOCUMENT_BYTES
    assert document.loads(b'"' + b"x" * (limit - 2) + b'"', what="m")
    with pytest.raises(LimitError, match=str(limit)):
        document.loads(b'"' + b"x" * (limit - 1) + b'"', what="m")
    with pytest.raises(LimitError, match="10"):
        document.loads(b"[1,2,3,4,5]", what="m", limit=10)


@pytest.mark.parametrize("data", [b"[]", b"null", b'"x"', b"1"])
def test_an_object_is_asked_for_by_name(data: bytes) -> None:
    with pytest.raises(CorruptError, match="is not a JSON object"):
        document.loads_object(data, what="m")


@pytest.mark.parametrize("data", [b'{"a":"\\ud800"}', b'{"a":1e999}'])
def test_what_json_spells_but_cannot_carry_is_no_traceback(data: bytes) -> None:
    value = json.loads(data)
    with pytest.raises(CorruptError, match="cannot carry"):
        document.dumps(value)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_value_or_a_corrupt_error(data: bytes) -> None:
    try:
        document.loads(data, what="m")
    except CorruptError:
        return
