"""Sources become entries: sorted, with parents, metadata and no conflicts."""

from __future__ import annotations

import os
import tarfile
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from lading.errors import ConflictError, InputError, LadingError, NotFoundError
from lading.layer.collect import collect
from lading.layer.entries import DIRECTORY, FILE, SYMLINK, Entry
from lading.layer.spool import Spool
from tests.unit.layer.bench import put


def _collect(lines: list[str], **options: object) -> dict[str, Entry]:
    with Spool("") as spool:
        entries = collect(lines, spool=spool, **options)  # type: ignore[arg-type]
    return {entry.path: entry for entry in entries}


def test_entries_are_sorted_with_parents_before_children() -> None:
    plan = _collect(["F\t/b/x\tsrc1", "F\t/a-b\tsrc2", "F\t/a/z\tsrc3", "E\t/a/b/c"])
    assert list(plan) == ["a", "a-b", "a/b", "a/b/c", "a/z", "b", "b/x"]


def test_the_order_of_sources_does_not_matter() -> None:
    lines = ["F\t/b/x\ts1", "D\t/b", "L\t/a\tb", "D\t/t/u", 'M\t/b\t{"uid":7}', "F\t/b/x\ts1"]
    plans = [
        [
            (entry.path, entry.kind, entry.meta.key(), entry.source)
            for entry in _collect(list(order)).values()
        ]
        for order in permutations(lines)
    ]
    assert all(plan == plans[0] for plan in plans)


def test_a_whiteout_comes_before_everything_beside_it() -> None:
    plan = _collect(
        ["E\t/d/.wh.x", "E\t/d/!first", "E\t/d/-", "E\t/.wh.y", "E\t/!a", "E\t/d/.wh..wh..opq"]
    )
    assert list(plan) == [".wh.y", "!a", "d", "d/.wh..wh..opq", "d/.wh.x", "d/!first", "d/-"]


def test_parents_have_standard_modes() -> None:
    plan = _collect(["E\t/tmp/a", "E\t/var/tmp/a", "E\t/root/a", "E\t/app/tmp/a", "D\t/dev/shm"])
    modes = {path: entry.meta.mode for path, entry in plan.items() if entry.kind == DIRECTORY}
    assert modes == {
        "app": 0o755, "app/tmp": 0o755, "dev": 0o755, "dev/shm": 0o1777,
        "root": 0o700, "tmp": 0o1777, "var": 0o755, "var/tmp": 0o1777,
    }  # fmt: skip


def test_parents_are_left_out_on_request() -> None:
    assert list(_collect(["E\t/a/b/c", "D\t/a"], create_parent_directories=False)) == ["a", "a/b/c"]


def test_paths_are_normalised() -> None:
    assert list(_collect(["E\t//a/./b//c/", "D\t/.", "D\t/"])) == ["a", "a/b", "a/b/c"]


@pytest.mark.parametrize("path", ["a", "", "./a", "/a/../b", "/..", "/a/..", "/a\0b", "/a\udcff"])
def test_an_odd_path_is_refused(path: str) -> None:
    with pytest.raises(InputError):
        _collect([f"F\t{path}\tsource"])


@pytest.mark.parametrize("line", ["", "F", "F\t/a", "Q\t/a\tb", "F\t/a\tb\tc", "T\t/a", "L\t/a\t"])
def test_a_malformed_line_is_refused(line: str) -> None:
    with pytest.raises(InputError):
        _collect([line])


def test_a_file_cannot_be_the_root() -> None:
    with pytest.raises(InputError, match="source has no name"):
        _collect(["F\t/\tsource"])


def test_two_sources_with_different_content_are_both_named(tmp_path: Path) -> None:
    put(tmp_path, {"one": "1", "two": "2", "same": "1"})
    with pytest.raises(ConflictError, match=r"/x comes from two sources .*/one and .*/two"):
        _collect([f"F\t/x\t{tmp_path}/two", f"F\t/x\t{tmp_path}/one"])
    assert list(_collect([f"F\t/x\t{tmp_path}/one", f"F\t/x\t{tmp_path}/same"])) == ["x"]


@pytest.mark.parametrize(
    "lines",
    [
        ["L\t/x\ta", "L\t/x\tb"],
        ["L\t/x\ta", "E\t/x"],
        ["D\t/x", "E\t/x"],
        ["D\t/x", "L\t/x\ty"],
        ["E\t/x", "E\t/x/y"],
        ["F\t/x\tsource", "E\t/x/y/z"],
    ],
)
def test_contradictions_are_refused(lines: list[str]) -> None:
    for order in (lines, lines[::-1]):
        with pytest.raises(ConflictError, match="/x"):
            _collect(order)


def _archive(path: Path, name: str, **fields: Any) -> str:
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    with tarfile.open(path, "w") as archive:
        archive.addfile(info)
    return f"A\t/\t{path}"


def test_a_directory_of_two_archives_has_the_later_time(tmp_path: Path) -> None:
    lines = [
        _archive(tmp_path / f"{time}.tar", "d", type=tarfile.DIRTYPE, mtime=time)
        for time in (5, 9, 7)
    ]
    for order in permutations(lines):
        assert _collect(list(order))["d"].meta.mtime == 9


def test_the_root_of_an_archive_is_the_directory_that_it_is_put_at(tmp_path: Path) -> None:
    line = _archive(tmp_path / "1.tar", "./", type=tarfile.DIRTYPE, mode=0o700, uid=7)
    plan = _collect([line.replace("A\t/\t", "A\t/opt/x\t")])
    assert list(plan) == ["opt", "opt/x"]
    assert (plan["opt/x"].meta.mode, plan["opt/x"].meta.uid) == (0o700, 7)
    # The image's own root is there already.
    assert _collect([line]) == {}


@pytest.mark.parametrize("kind", [tarfile.DIRTYPE, tarfile.REGTYPE, tarfile.SYMTYPE])
@pytest.mark.parametrize("other", [{"uid": 1}, {"mode": 0o700}, {"gname": "g"}])
def test_the_same_with_other_metadata_is_a_contradiction(
    tmp_path: Path, kind: bytes, other: dict[str, Any]
) -> None:
    one = _archive(tmp_path / "1.tar", "d", type=kind, linkname="x")
    two = _archive(tmp_path / "2.tar", "d", **{"type": kind, "linkname": "x", **other})
    if kind == tarfile.SYMTYPE and "mode" in other:
        assert list(_collect([one, two])) == ["d"]  # the mode of a link is 0777 whatever is said
        return
    messages = set()
    for order in ([one, two], [two, one]):
        with pytest.raises(ConflictError, match=r"/d comes from .* metadata") as caught:
            _collect(order)
        messages.add(str(caught.value))
    assert len(messages) == 1


def test_an_entry_below_a_link_is_refused_with_the_path_to_write() -> None:
    with pytest.raises(ConflictError, match=r"/lib/a .* lies below /lib") as caught:
        _collect(["L\t/lib\tusr/lib", "E\t/lib/a"])
    assert "usr/lib" in caught.value.fix


def test_default_metadata_is_for_files_and_their_mode_only_for_files(tmp_path: Path) -> None:
    put(tmp_path, {"tree/f": "x", "tree/d/g": "y"})
    os.symlink("f", tmp_path / "tree/l")
    defaults = '{"mode":"0640","uid":5,"gname":"g","mtime":9,"pax_records":{"SCHILY.xattr.a":"b"}}'
    plan = _collect(
        [f"T\t/t\t{tmp_path}/tree", f"F\t/p/f\t{tmp_path}/tree/f"], default_metadata=defaults
    )
    pax = (("SCHILY.xattr.a", "b"),)
    assert plan["p/f"].meta.key() == (0o640, 5, 0, "", "g", 9, pax)
    assert plan["t/f"].meta.key() == (0o640, 5, 0, "", "g", 9, pax)
    assert plan["t/l"].meta.key() == (0o777, 5, 0, "", "g", 9, pax)
    assert plan["t/d"].meta.key() == (0o755, 5, 0, "", "g", 9, pax)
    # Nobody named the parent, so it is the system's.
    assert plan["p"].meta.key() == (0o755, 0, 0, "", "", 0, ())


def test_metadata_for_one_path_reaches_trees_parents_and_links(tmp_path: Path) -> None:
    put(tmp_path, {"tree/f": "x"})
    plan = _collect([
        f"T\t/a/t\t{tmp_path}/tree", "L\t/a/l\tt",
        'M\t/a/t/f\t{"mode":"4711"}', 'M\t/a\t{"mode":"0700","uid":3}',
        'M\t/a/l\t{"uid":4,"mode":"0600"}',
    ])  # fmt: skip
    assert plan["a/t/f"].meta.mode == 0o4711
    assert plan["a"].meta.key()[:2] == (0o700, 3)
    assert plan["a/l"].meta.key()[:2] == (0o777, 4)


def test_metadata_for_what_is_not_there_is_an_error() -> None:
    with pytest.raises(InputError, match="/app/y, which is not in the layer"):
        _collect(["E\t/app/x", 'M\t/app/y\t{"uid":1}'])
    with pytest.raises(InputError, match="not in the layer") as caught:
        _collect(["E\t/app/bin/x", 'M\t/bin/x\t{"uid":1}'])
    assert "/app/bin/x" in caught.value.fix


@pytest.mark.parametrize(
    "text",
    [
        "[]", "{", "nonsense", '{"mode":755}', '{"mode":"0999"}', '{"mode":"77777"}', '{"mode":""}',
        '{"uid":-1}', '{"uid":true}', '{"uid":"0"}', '{"gid":4294967295}', '{"mtime":1.5}',
        '{"uname":"a\\u0000"}', '{"pax_records":{"path":"/etc"}}', '{"pax_records":{"a=b":"c"}}',
        '{"pax_records":{"a":1}}', '{"pax_records":[]}', '{"unknown":1}', '{"mtime":"soon"}',
        '{"mtime":"1969-12-31T23:59:59Z"}', '{"mtime":"2024-02-30T00:00:00Z"}',
    ],
)  # fmt: skip
def test_malformed_metadata_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        _collect(["E\t/x", f"M\t/x\t{text}"])
    with pytest.raises(InputError):
        _collect(["E\t/x"], default_metadata=text)


def test_an_unresolved_link_is_stored_as_the_link_it_is(tmp_path: Path) -> None:
    os.symlink("../some/where", tmp_path / "link")
    plan = _collect([f"S\t/x\t{tmp_path}/link"])
    assert (plan["x"].kind, plan["x"].link) == (SYMLINK, "../some/where")
    put(tmp_path, {"plain": "x"})
    assert _collect([f"S\t/x\t{tmp_path}/plain"])["x"].kind == FILE
    with pytest.raises(NotFoundError):
        _collect([f"S\t/x\t{tmp_path}/gone"])


def test_a_tree_at_several_paths_is_stored_once_on_request(tmp_path: Path) -> None:
    put(tmp_path, {"tree/f": "x", "other/g": "y"})
    lines = [f"T\t{place}\t{tmp_path}/tree" for place in ("/b/c/d", "/a/x", "/a/x/inner", "/z")]
    lines.append(f"T\t/other\t{tmp_path}/other")
    for order in (lines, lines[::-1]):
        plan = _collect(order, deduplicate_trees=True)
        assert {path: entry.link for path, entry in plan.items() if entry.kind == SYMLINK} == {
            "b/c/d": "../../a/x",
            "z": "a/x",
        }
        files = [path for path, entry in plan.items() if entry.kind == FILE]
        assert files == ["a/x/f", "a/x/inner/f", "other/g"]
    assert [path for path in _collect(lines) if path.endswith("/f")] == [
        "a/x/f", "a/x/inner/f", "b/c/d/f", "z/f",
    ]  # fmt: skip


def test_a_tree_beside_itself_and_one_within_the_root(tmp_path: Path) -> None:
    put(tmp_path, {"tree/f": "x"})
    plan = _collect(
        [f"T\t{place}\t{tmp_path}/tree" for place in ("/a", "/ab")], deduplicate_trees=True
    )
    assert {path: entry.link for path, entry in plan.items()} == {"a": "", "a/f": "", "ab": "a"}
    # A link to the root would lead in circles.
    plan = _collect(
        [f"T\t{place}\t{tmp_path}/tree" for place in ("/", "/b")], deduplicate_trees=True
    )
    assert {path: entry.kind for path, entry in plan.items()} == {
        "b": DIRECTORY, "b/f": FILE, "f": FILE,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2024-02-29T12:00:00Z", 1709208000),
        ("2024-02-29T12:00:00.9+02:00", 1709200800),
        ("1709208000", 1709208000),
        ("1970-01-01T00:00:00Z", 0),
    ],
)
def test_a_time_may_be_a_date(text: str, seconds: int) -> None:
    plan = _collect(["E\t/x"], default_metadata=f'{{"mtime":"{text}"}}')
    assert plan["x"].meta.mtime == seconds


def test_every_error_is_short_and_names_what_is_wrong() -> None:
    for lines in (["F\t/a/../b\ts"], ["D\t/x", "E\t/x"], ["E\t/x", 'M\t/y\t{"uid":1}']):
        with pytest.raises(LadingError) as caught:
            _collect(lines)
        assert len(str(caught.value).splitlines()) <= 2
        assert caught.value.fix
