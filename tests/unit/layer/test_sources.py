"""The lines that say what goes into a layer."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lading.errors import InputError
from lading.layer.paths import image_path, relative_paths
from lading.layer.sources import Sources

_NAMES = st.lists(st.text("ab/.\n\0é\udce9 ", max_size=6), max_size=5)


def _one_by_one(names: list[str]) -> list[str] | str:
    try:
        return [image_path(f"/{name}", what=f"source of {name!r}") for name in names]
    except InputError as error:
        return str(error)


@given(_NAMES)
@example(["a/.b", "a/..c", ".d", "..e", "é"])
@example(["a\n/b"])
@example([".", "a"])
@example(["a/.."])
@example(["a/"])
@example([""])
def test_names_are_what_they_are_one_by_one(names: list[str]) -> None:
    try:
        result: list[str] | str = relative_paths(names, what=[f"source of {n!r}" for n in names])
    except InputError as error:
        result = str(error)
    assert result == _one_by_one(names)


def test_short_lines_have_the_prefixes_before_them() -> None:
    sources = Sources(
        [
            "C\t/a/\tone/",
            "\tx",
            "E\t/empty",
            "\ty/z",
            "F\t/whole\tpath",
            "C\t/\t",
            "\tw",
        ]
    )
    files = dict(zip(sources.names, sources.paths, strict=True))
    assert files == {"a/x": "one/x", "a/y/z": "one/y/z", "whole": "path", "w": "w"}
    assert sources.others == [["E", "/empty", ""]]


@pytest.mark.parametrize(
    "lines",
    [
        ["F\t/a"],
        ["F\t/a\tb\tc"],
        ["F\ta\tb"],
        ["F"],
        [""],
        ["C\t/a/"],
        ["C\ta/\tb/", "\tx"],
        ["C\t/a/\tb/", "\t../x"],
        ["\tx"],
    ],
)
def test_malformed_lines_are_refused(lines: list[str]) -> None:
    with pytest.raises(InputError):
        Sources(lines)
