"""Files of KEY=VALUE pairs."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.errors import InputError
from lading.oci.key_value import parse


def test_lines_comments_blanks_and_the_first_equals_sign() -> None:
    text = b'# version\n\n A = 1 \r\nURL=http://host/?a=b\nEMPTY=\n  # more\nQ="quoted"\n'
    assert parse(text, what="f") == {
        "A": "1",
        "URL": "http://host/?a=b",
        "EMPTY": "",
        "Q": '"quoted"',
    }


def test_a_byte_order_mark_is_not_part_of_the_first_key() -> None:
    assert parse(b"\xef\xbb\xbfA=1", what="f") == {"A": "1"}


def test_a_line_separator_character_does_not_end_a_line() -> None:
    assert parse("A=x\u2028B=y".encode(), what="f") == {"A": "x\u2028B=y"}


def test_json_object_of_strings_and_of_lists_of_which_the_last_counts() -> None:
    assert parse(b' {"A": " 1\\n", "B": ["x", "y"]}', what="f") == {"A": " 1\n", "B": "y"}


def test_json_list_of_pairs() -> None:
    assert parse(b'["A=1", "B = 2"]', what="f") == {"A": "1", "B": "2"}


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"A=1\nB\n", "line 2"),
        (b"=1", "line 1"),
        (b"A=1\nA=2", "line 2"),
        (b'{"A": "1", "A": "2"}', "key 'A'"),
        (b'{"A": 1}', "'A'"),
        (b'{"A": []}', "'A'"),
        (b'{"A": {"B": "c"}}', "'A'"),
        (b'["A=1", 2]', "no string"),
        (b'["A"]', "item 1"),
        (b'{"A": "1"', "not valid"),
        (b"[" * 100_000, "not valid"),
        (b"A=\xff", "UTF-8"),
        (b"A=\0", "null character"),
        (b"A=" + b"x" * (4 << 20), "more than the 4194304 allowed"),
    ],
)
def test_a_mistake_names_the_file_and_the_place(data: bytes, place: str) -> None:
    with pytest.raises(InputError, match=r"labels\.txt") as caught:
        parse(data, what="labels.txt")
    assert place in str(caught.value)


def test_the_same_pair_twice_is_no_contradiction() -> None:
    assert parse(b"A=1\nA=1\n", what="f") == {"A": "1"}


@given(st.dictionaries(st.text("abcXYZ._-/", min_size=1), st.text(st.characters(codec="utf-8"))))
def test_json_carries_every_value(pairs: dict[str, str]) -> None:
    pairs = {key: value for key, value in pairs.items() if "\0" not in value}
    assert parse(json.dumps(pairs).encode(), what="f") == pairs


@given(st.binary())
def test_any_bytes_are_pairs_or_an_input_error(data: bytes) -> None:
    try:
        result = parse(data, what="f")
    except InputError:
        return
    assert all(result)
