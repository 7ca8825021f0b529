"""The directory that a build reads: normal modes and times, whatever the sources have."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lading.builder.context import lay_out
from lading.errors import ConflictError, InputError, NotFoundError


def _listing(directory: Path) -> dict[str, str]:
    found = {}
    for path in sorted(directory.rglob("*")):
        mode, mtime = path.lstat().st_mode & 0o777, path.lstat().st_mtime
        link = f" -> {os.readlink(path)}" if path.is_symlink() else f" {mode:o}"
        found[str(path.relative_to(directory))] = f"{link} {mtime:.0f}"
    return found


def test_modes_times_and_links(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "file").write_text("x")
    (tree / "sub" / "link").symlink_to("file")
    (tree / "dangling").symlink_to("nowhere")
    program = tmp_path / "program"
    program.write_text("#!")
    program.chmod(0o555)
    (tmp_path / "linked").symlink_to(program)  # as in a sandbox
    out = tmp_path / "out"
    out.mkdir(mode=0o700)
    lay_out(out, [("a/b/program", tmp_path / "linked"), ("tree", tree)])
    assert _listing(out) == {
        "a": " 755 0",
        "a/b": " 755 0",
        "a/b/program": " 755 0",
        "tree": " 755 0",
        "tree/dangling": " -> nowhere 0",
        "tree/sub": " 755 0",
        "tree/sub/file": " 644 0",
        "tree/sub/link": " -> file 0",
    }


def test_what_cannot_be_laid_out(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")

    def lay(*places: str) -> None:
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        out.mkdir()
        lay_out(out, [(place, tmp_path / "x") for place in places])

    for place in ("../x", "/x", "a/../../x", ""):
        with pytest.raises(InputError, match="no path in the context"):
            lay(place)
    with pytest.raises(ConflictError, match="twice"):
        lay("a", "a")
    with pytest.raises(ConflictError, match="below 'a', which is a file"):
        lay("a", "a/b")
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "etc").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "linked").mkdir()
    with pytest.raises(ConflictError, match="below 't/etc', which is a file or a link"):
        lay_out(tmp_path / "linked", [("t", tmp_path / "tree"), ("t/etc/passwd", tmp_path / "x")])
    assert list((tmp_path / "elsewhere").iterdir()) == []
    with pytest.raises(NotFoundError, match="missing in the context"):
        lay_out(tmp_path, [("missing", tmp_path / "none")])


def test_no_directory_is_merged_into_what_a_link_leads_to(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "inner").symlink_to(elsewhere)
    (tmp_path / "two" / "inner").mkdir(parents=True)
    (tmp_path / "two" / "inner" / "file").write_text("x")
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(ConflictError, match="twice"):
        lay_out(out, [("d", tmp_path / "one"), ("d", tmp_path / "two")])
    assert not list(elsewhere.iterdir())
