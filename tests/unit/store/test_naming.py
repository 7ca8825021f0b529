"""The grammar of names (S1.6). The cases are shared with the macro's twin, in names.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.errors import InputError
from lading.store import naming

CASES: dict[str, Any] = json.loads((Path(__file__).parent / "names.json").read_text())


@pytest.mark.parametrize("text", CASES["valid"])
def test_valid_names_are_read(text: str) -> None:
    assert str(naming.parse(text)) == text


@pytest.mark.parametrize("text", CASES["invalid"])
def test_invalid_names_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not the name of an image"):
        naming.parse(text)


@pytest.mark.parametrize(("text", "nearest"), CASES["normalized"].items())
def test_the_nearest_name_is_valid_and_suggested(text: str, nearest: str) -> None:
    assert naming.normalize(text) == nearest
    assert str(naming.parse(nearest)) == nearest
    if text != nearest:
        with pytest.raises(InputError, match=f"did you mean {nearest}"):
            naming.parse(text)


@pytest.mark.parametrize("text", CASES["hopeless"])
def test_a_name_without_its_parts_has_no_nearest_one(text: str) -> None:
    with pytest.raises(InputError, match="<project>-<os>-<version>-<variant>"):
        naming.normalize(text)


def test_the_parts_of_a_name() -> None:
    name = naming.parse("my-app-debian-13-clang18-gcc14-asan-ubsan")
    assert name.project == "my-app"
    assert name.os == "debian-13"
    assert name.compilers == ("clang18", "gcc14")
    assert name.variants == ("asan", "ubsan")
    assert naming.parse("capy-ubuntu-24.04-base").variants == ()


def test_composing_sorts_and_fills_in_base() -> None:
    assert str(naming.compose("capy", "ubuntu-24.04")) == "capy-ubuntu-24.04-base"
    composed = naming.compose("capy", "ubuntu-24.04", ["gcc13"], ["ubsan", "asan", "asan"])
    assert str(composed) == "capy-ubuntu-24.04-gcc13-asan-ubsan"
    with pytest.raises(InputError):
        naming.compose("../x", "ubuntu-24.04")


def test_a_name_has_a_length() -> None:
    name = "a" * 100 + "-ubuntu-24.04-" + "b" * 14
    assert str(naming.parse(name)) == name
    with pytest.raises(InputError, match="longer than 128"):
        naming.parse(name + "b")


_WORDS = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)
_LOOSE = st.text(alphabet="aAbgcC013._- /:ü", max_size=30) | st.builds(
    lambda parts, separator: separator.join(parts),
    st.lists(_WORDS | st.sampled_from(["gcc", "13", "24.04", "base", "ubuntu"]), max_size=7),
    st.sampled_from(["-", "_", " ", "--"]),
)


@given(_LOOSE)
def test_normalizing_gives_a_valid_name_that_stays_as_it_is(text: str) -> None:
    try:
        name = naming.normalize(text)
    except InputError:
        return
    assert str(naming.parse(name)) == name
    assert naming.normalize(name) == name


@given(_LOOSE)
def test_what_is_valid_is_its_own_nearest_name_and_is_composed_of_its_parts(text: str) -> None:
    try:
        name = naming.parse(text)
    except InputError:
        return
    assert naming.normalize(text) == text
    assert naming.compose(name.project, name.os, name.compilers, name.variants) == name
