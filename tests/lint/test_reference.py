"""The reference in docs/rules is what stardoc makes of the rules as they are, and is complete."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.lint.workspace import root

#: What MODULE.bazel alone can use.
_OF_MODULES = {"deb", "images", "nix_closure", "pull"}
_GENERATED = [Path(page) for page in os.environ["REFERENCE"].split()]


def _public(path: Path) -> set[str]:
    found = re.findall(r"^(?:def )?([a-zA-Z]\w*)(?: = |\()", path.read_text(), re.MULTILINE)
    return set(found) - {"load"}


@pytest.mark.parametrize("page", _GENERATED, ids=lambda page: page.stem)
def test_page_is_up_to_date(page: Path) -> None:
    assert (root() / "docs/rules" / page.name).read_text() == page.read_text(), (
        "run ./bazelw run //docs/rules:update"
    )


def test_each_public_file_has_a_page_that_the_index_names() -> None:
    public = {path.stem for path in (root() / "rules").glob("*.bzl")} - {"defs"}
    assert {page.stem for page in _GENERATED} == public
    assert {page.stem for page in (root() / "docs/rules").glob("*.md")} == public
    index = (root() / "docs/README.md").read_text()
    assert all(f"rules/{name}.md" in index for name in public)


def test_defs_has_all_that_build_files_load() -> None:
    names: dict[bool, set[str]] = {True: set(), False: set()}
    for path in (root() / "rules").glob("*.bzl"):
        names[path.stem == "defs"] |= _public(path)
    assert names[True] == names[False] - _OF_MODULES


def test_starlark_is_ascii() -> None:
    """Bazel 7 hands docstrings to stardoc byte by byte: anything else arrives twice encoded."""
    for path in (root() / "rules").rglob("*.bzl"):
        assert path.read_bytes().isascii(), path
