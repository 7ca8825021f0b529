"""Patterns of what a layer leaves out."""

from __future__ import annotations

import pytest

from lading.errors import InputError
from lading.layer.filters import excluder


def test_the_last_pattern_that_fits_decides() -> None:
    excluded = excluder(["/usr/share/doc/*", "!/usr/share/doc/*/copyright", "/*/b/copyright"])
    assert excluded("usr/share/doc/a/changelog.gz")
    assert not excluded("usr/share/doc/a/copyright")
    assert excluded("usr/share/doc/b/copyright")
    assert not excluded("usr/share/doc")
    assert not excluded("usr/bin/doc")


def test_wildcards_match_slashes_and_case_matters() -> None:
    excluded = excluder(["/a/*.py[co]", "/x?z"])
    assert excluded("a/b/c/d.pyc")
    assert not excluded("a/b/c/d.PYC")
    assert excluded("xyz")
    assert not excluded("xyzz")


def test_a_path_is_matched_as_a_whole() -> None:
    excluded = excluder(["/usr/share/man"])
    assert excluded("usr/share/man")
    assert not excluded("usr/share/man/man1")
    assert not excluded("opt/usr/share/man")


@pytest.mark.parametrize("pattern", ["usr/*", "!usr/*", "", "!"])
def test_a_pattern_that_is_not_absolute_is_refused(pattern: str) -> None:
    with pytest.raises(InputError, match="not absolute"):
        excluder([pattern])
