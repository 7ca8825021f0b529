"""Metadata that readers of a layer would understand differently is refused, in words of users."""

from __future__ import annotations

import json

import pytest

from lading.errors import InputError
from lading.layer.entries import parse_meta

WRONG = {
    "another name": {"GNU.sparse.name": "b"},
    "a sparse file": {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"},
    "another size": {"SCHILY.realsize": "5"},
    "a time that is none": {"atime": "now"},
    "another time that is none": {"ctime": "1.x"},
    "a NUL in a key": {"SCHILY.xattr.user.\0a": "x"},
    "a line break in a key": {"SCHILY.xattr.user.a\n": "x"},
    "a key that is no Unicode": {"SCHILY.xattr.user.\ud800": "x"},
    "a value that is no Unicode": {"SCHILY.xattr.user.a": "\ud800"},
}


@pytest.mark.parametrize("records", WRONG.values(), ids=WRONG)
def test_records_that_readers_understand_differently(records: dict[str, str]) -> None:
    with pytest.raises(InputError, match="pax_records cannot be") as caught:
        parse_meta(json.dumps({"pax_records": records}), what="metadata of /a")
    assert len(str(caught.value).splitlines()) <= 2


def test_records_that_are_as_good_as_before() -> None:
    records = {
        "SCHILY.xattr.user.a": "b\n\0=\udcff",
        "atime": "-1.5",
        "ctime": "1700000000.123456789",
        "comment": "ü",
        "SCHILY.acl.access": "user::rw-",
        "LADING.own": "",
    }
    found = parse_meta(json.dumps({"pax_records": records}), what="metadata of /a")
    assert found == {"pax": tuple(sorted(records.items()))}


@pytest.mark.parametrize(
    ("key", "value"),
    [("mode", "77777"), ("mtime", "1960-01-01T00:00:00Z"), ("uname", "\ud800"), ("gname", "a\0")],
)
def test_the_value_is_named_as_it_was_written(key: str, value: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_meta(json.dumps({key: value}), what="metadata of /a")
    assert f"{key} cannot be {value!r}" in caught.value.what.replace("\\\\", "\\")
