"""Tree artifacts: what lies in them is stored as what it is, sandboxed or not."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from lading.errors import InputError, NotFoundError
from lading.layer.collect import collect
from lading.layer.entries import DIRECTORY, FILE, SYMLINK, Entry
from lading.layer.spool import Spool
from tests.unit.layer.bench import build, put


def _tree(line: str) -> dict[str, Entry]:
    with Spool("") as spool:
        return {entry.path: entry for entry in collect([line], spool=spool)}


def _shape(entries: dict[str, Entry]) -> dict[str, str]:
    return {
        path: entry.link if entry.kind == SYMLINK else entry.kind for path, entry in entries.items()
    }


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "execroot/_main/bazel-out/k8/bin/pkg/tree"
    put(root, {"bin/tool": "#!", "lib/a.so": "ELF", "lib/deep/er/x": "x"})
    (root / "empty/inner").mkdir(parents=True)
    os.symlink("tool", root / "bin/alias")
    os.symlink("../lib/a.so", root / "bin/up")
    os.symlink("nowhere", root / "dangling")
    os.symlink("loop", root / "loop")
    os.symlink("/usr/bin/python3", root / "bin/python")
    os.symlink("lib", root / "lib64")
    return root


_SHAPE = {
    "t": DIRECTORY, "t/bin": DIRECTORY, "t/bin/alias": "tool", "t/bin/python": "/usr/bin/python3",
    "t/bin/tool": FILE, "t/bin/up": "../lib/a.so", "t/dangling": "nowhere",
    "t/lib": DIRECTORY, "t/lib/a.so": FILE, "t/lib/deep": DIRECTORY,
    "t/lib/deep/er": DIRECTORY, "t/lib/deep/er/x": FILE, "t/lib64": "lib", "t/loop": "loop",
}  # fmt: skip


def test_links_are_kept_and_dangling_ones_too(tree: Path) -> None:
    assert _shape(_tree(f"T\t/t\t{tree}")) == _SHAPE


def test_directories_that_bazel_does_not_know_are_left_out(tree: Path, tmp_path: Path) -> None:
    """A tree from a cache or in a sandbox does not have them, and gives the same bytes."""
    first = build(tmp_path, [f"T\t/t\t{tree}"]).blob
    (tree / "empty/inner").rmdir()
    (tree / "empty").rmdir()
    assert build(tmp_path, [f"T\t/t\t{tree}"]).blob == first
    # The tree itself is known, with and without content.
    (tmp_path / "nothing/inner").mkdir(parents=True)
    assert _shape(_tree(f"T\t/a/t\t{tmp_path}/nothing")) == {"a": DIRECTORY, "a/t": DIRECTORY}


def test_a_directory_of_the_source_tree_keeps_directories_without_files(tree: Path) -> None:
    with Spool("") as spool:
        entries = collect([f"F\t/t\t{tree}"], spool=spool, expect_directories=True)
    empty = {"t/empty": DIRECTORY, "t/empty/inner": DIRECTORY}
    assert _shape({entry.path: entry for entry in entries}) == _SHAPE | empty


def test_a_sandbox_of_links_gives_the_same_entries(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # linux-sandbox makes every file of a tree a link to its place in the real root. It has files
    # for links to files, and directories for links to directories; others it does not know.
    real = tmp_path / "execroot/_main"
    sandbox = tmp_path / "sandbox/1/execroot/_main"
    relative = tree.relative_to(real)
    for directory, _, files in os.walk(tree, followlinks=True):
        for name in files:
            path = Path(directory, name)
            if path.is_file():
                here = sandbox / path.relative_to(real)
                here.parent.mkdir(parents=True, exist_ok=True)
                here.symlink_to(path)
    monkeypatch.chdir(sandbox)
    assert _shape(_tree(f"T\t/t\t{relative}")) == _SHAPE
    inside = build(tmp_path, [f"T\t/t\t{relative}"]).blob
    assert inside == build(tmp_path, [f"T\t/t\t{tree}"]).blob


def test_a_sandbox_that_links_the_whole_tree_gives_the_same_entries(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    relative = tree.relative_to(tmp_path / "execroot/_main")
    sandbox = tmp_path / "sandbox/1/execroot/_main"
    (sandbox / relative).parent.mkdir(parents=True)
    os.symlink(tree, sandbox / relative)
    monkeypatch.chdir(sandbox)
    assert _shape(_tree(f"T\t/t\t{relative}")) == _SHAPE


def test_a_link_into_the_execution_root_is_content(tmp_path: Path) -> None:
    root = tmp_path / "execroot/_main/out/tree"
    put(
        tmp_path,
        {"execroot/_main/out/other/file": "content", "execroot/_main/out/other/sub/x": "y"},
    )
    root.mkdir(parents=True)
    os.symlink(tmp_path / "execroot/_main/out/other/file", root / "file")
    os.symlink(tmp_path / "execroot/_main/out/other/sub", root / "sub")
    built = build(tmp_path, [f"T\t/t\t{root}"])
    assert built.content("t/file") == b"content"
    assert built.content("t/sub/x") == b"y"


def test_links_in_place_of_files_one_behind_the_other_are_content(tmp_path: Path) -> None:
    inner = "execroot/_main/bazel-out/k8/bin/tree"
    for name, behind in (("a", "b"), ("b", "c"), ("c", "d")):
        (tmp_path / name / inner).mkdir(parents=True)
        os.symlink(tmp_path / behind / inner / "f", tmp_path / name / inner / "f")
    put(tmp_path / "d" / inner, {"f": "content"})
    assert _shape(_tree(f"T\t/t\t{tmp_path}/a/{inner}")) == {"t": DIRECTORY, "t/f": FILE}


def test_a_dangling_link_into_the_execution_root_is_a_link(tmp_path: Path) -> None:
    root = tmp_path / "execroot/_main/bazel-out/k8/bin/tree"
    target = "/gone/execroot/_main/bazel-out/k8/bin/other/f"
    put(root, {"a": "a"})
    os.symlink(target, root / "f")
    assert _shape(_tree(f"T\t/t\t{root}"))["t/f"] == target


def test_every_directory_above_a_file_has_the_metadata_of_the_tree(tree: Path) -> None:
    with Spool("") as spool:
        entries = collect([f"T\t/s/t\t{tree}"], spool=spool, default_metadata='{"uid": 7}')
    uids = {entry.path: entry.meta.uid for entry in entries}
    assert uids.pop("s") == 0  # nobody named it
    assert set(uids.values()) == {7}
    assert {"s/t", "s/t/lib", "s/t/lib/deep", "s/t/lib/deep/er"} <= uids.keys()


def test_a_directory_that_links_to_its_parent_ends(tmp_path: Path) -> None:
    root = tmp_path / "execroot/_main/out/tree"
    (root / "a").mkdir(parents=True)
    os.symlink(root, root / "a/again")
    with pytest.raises(InputError, match="loop"):
        _tree(f"T\t/t\t{root}")


def test_the_tree_may_be_the_whole_image(tree: Path) -> None:
    shape = {path.removeprefix("t/"): kind for path, kind in _SHAPE.items() if path != "t"}
    assert _shape(_tree(f"T\t/\t{tree}")) == shape


def test_a_special_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe is a special file"):
        _tree(f"T\t/t\t{tmp_path}")


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9")).write_bytes(b"")
    with pytest.raises(InputError, match=r"caf\\xe9' from .* is not UTF-8"):
        _tree(f"T\t/t\t{tmp_path}")


def test_a_tree_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="gone"):
        _tree(f"T\t/t\t{tmp_path}/gone")


def test_a_directory_of_the_source_tree_announced_as_a_file_is_a_tree(tmp_path: Path) -> None:
    put(tmp_path, {"dir/a": "1", "dir/b/c": "2", "file": "3"})
    built = build(tmp_path, [f"F\t/x\t{tmp_path}/dir", f"F\t/y\t{tmp_path}/file"])
    assert list(built.members()) == ["x", "x/a", "x/b", "x/b/c", "y"]


def test_a_directory_announced_as_a_file_where_directories_have_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on tmpfs, NFS, and overlayfs where a directory is in more than one layer."""
    put(tmp_path, {"src/a": "a"})
    seek = os.lseek

    def lseek(fd: int, offset: int, whence: int) -> int:
        if whence == os.SEEK_END and os.path.isdir(f"/proc/self/fd/{fd}"):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return seek(fd, offset, whence)

    monkeypatch.setattr(os, "lseek", lseek)
    (tmp_path / "out").mkdir()
    assert "x/a" in build(tmp_path / "out", [f"F\t/x\t{tmp_path}/src"]).members()
