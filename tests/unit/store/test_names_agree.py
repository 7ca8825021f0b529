"""The rules and the tools have one grammar: their Starlark and their Python say the same (S1.6).

Starlark's twins keep to what is Python as well, so both run here on the same names. That Bazel
reads the Starlark as Python does is what //tests/rules/save and //tests/rules:names_test show.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lading.errors import InputError
from lading.oci import reference
from lading.store import naming

_RULES = Path(__file__).parents[3] / "rules" / "private"
_CASES: dict[str, Any] = json.loads((Path(__file__).parent / "names.json").read_text())


def _fail(message: str) -> None:
    raise ValueError(message)


def _starlark(file: str) -> dict[str, Any]:
    """The functions of a .bzl file."""
    # Iterating a string is spelled .elems() in Starlark.
    text = (_RULES / file).read_text().replace(".elems()", "")
    found: dict[str, Any] = {"fail": _fail}
    exec(compile(text, file, "exec"), found)
    return found


_STORE = _starlark("store_names.bzl")
_REGISTRY = _starlark("names.bzl")

_WORDS = st.sampled_from(
    [
        "capy",
        "my",
        "ubuntu",
        "debian13",
        "24.04",
        "13",
        "1.",
        "gcc",
        "gcc13",
        "gcc13.2",
        "clang20",
        "asan",
        "base",
        "cov",
        "a.1",
        "tar",
        "GCC-14",
        ".",
        "x86",
        "",
    ]
)
_NAMES = st.text(alphabet="agAbc013._- :/é\n", max_size=24) | st.builds(
    lambda words, separator: separator.join(words),
    st.lists(_WORDS, max_size=7),
    st.sampled_from(["-", "-", "-", "_", " ", "--"]),
)


def _reason(text: str) -> str:
    try:
        naming.parse(text)
    except InputError as error:
        return error.what.partition(" is not the name of an image: ")[2]
    return ""


def _nearest(text: str) -> str:
    try:
        return naming.normalize(text)
    except InputError:
        return ""


@pytest.mark.parametrize("text", [*_CASES["valid"], *_CASES["invalid"]])
def test_the_cases_are_the_same_to_both(text: str) -> None:
    assert _STORE["image_name_error"](text) == _reason(text)
    assert _STORE["nearest_image_name"](text) == _nearest(text)
    assert (_reason(text) == "") == (text in _CASES["valid"])


@settings(max_examples=1500, deadline=None)
@given(_NAMES)
@example("a" * 114 + "-b-1-" + "c" * 9)
@example("a" * 114 + "-b-1-" + "c" * 10)
def test_every_name_of_an_image_is_the_same_to_both(text: str) -> None:
    assert _STORE["image_name_error"](text) == _reason(text)
    assert _STORE["nearest_image_name"](text) == _nearest(text)


@settings(max_examples=1000, deadline=None)
@given(st.text(alphabet="aZ0._-/é \n", max_size=12))
@example("9" * 128)
@example("9" * 129)
def test_repositories_and_tags_are_the_same_to_both(text: str) -> None:
    def refused(check: Callable[[str], str]) -> bool:
        try:
            check(text)
        except InputError:
            return True
        return False

    assert bool(_REGISTRY["tag_error"](text)) == refused(reference.check_tag)
    assert bool(_REGISTRY["repository_error"](text)) == refused(reference.check_repository)


def test_the_failure_of_a_build_file_names_the_nearest_name() -> None:
    with pytest.raises(ValueError, match=r"Did you mean 'capy-ubuntu-24\.04-gcc13'\?"):
        _STORE["check_image_name"]("Capy-ubuntu24.04-GCC 13", what="//app:save, image_name")
