"""What BUILD files say is what is in the layers that Bazel builds of them."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from typing import Any

from tests.integration.harness.launchers import runfile

_TARGETS = "tests/integration/layer/targets"


def _members(name: str) -> dict[str, tarfile.TarInfo]:
    data = gzip.decompress(runfile(f"{_TARGETS}/{name}.tar.gz").read_bytes())
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name: member for member in archive}


def _metadata(name: str) -> Any:
    return json.loads(runfile(f"{_TARGETS}/{name}.metadata.json").read_bytes())


def _files(members: dict[str, tarfile.TarInfo]) -> list[str]:
    return [name for name, member in members.items() if not member.isdir()]


def test_a_file_lands_at_its_path_or_keeps_its_name() -> None:
    members = _members("places")
    assert _files(members) == [
        "collision/BUILD.bazel",
        "collision/data.txt",
        "directory/data.txt",
        "exactly/here",
        "several/several/deep/two",
        "several/several/one",
    ]
    assert members["exactly"].isdir()
    assert members["exactly"].mode == members["exactly/here"].mode == 0o755
    assert _files(_members("flattened")) == ["several/one", "several/two"]


def test_a_directory_of_an_action_is_stored_as_what_it_is() -> None:
    # Bazel 7 refuses links to nowhere in such a directory; test_same_bytes has one.
    members = _members("trees")
    for place in ("a/tree", "b/tree"):
        links = {name: members[f"{place}/{name}"].linkname for name in ("link", "directory")}
        assert links == {"link": "data/file", "directory": "data"}
        # No input of the action for Bazel, so they are there on some machines and not on others.
        assert f"{place}/empty" not in members
        assert (members[f"{place}/data/same"].mode, members[f"{place}/data/same"].uid) == (
            0o640,
            10,
        )
        assert (members[f"{place}/data"].mode, members[f"{place}/data"].gid) == (0o755, 20)
    assert (members["a"].mode, members["a"].uid) == (0o700, 0)
    special = members["a/tree/data/file"]
    assert special.mtime == 1709208000
    assert special.pax_headers["SCHILY.xattr.user.key"] == "value"
    # Its metadata is its own, so it shares content with none; the three others are one file.
    assert members["a/tree/data/same"].isreg()
    for name in ("b/tree/data/file", "b/tree/data/same"):
        assert (members[name].islnk(), members[name].linkname) == (True, "a/tree/data/same")


def test_a_directory_at_two_paths_is_stored_once_on_request() -> None:
    members = _members("trees_once")
    assert members["a/tree/data/file"].isreg()
    assert (members["b/tree"].issym(), members["b/tree"].linkname) == (True, "../a/tree")


def test_a_directory_can_be_made() -> None:
    assert _members("places")["empty/directory"].isdir()


def test_parents_can_be_left_out() -> None:
    assert list(_members("without_parents")) == ["a/b/c", "a/link"]


_PROGRAM = "_main/tests/integration/layer/targets"


def _runfiles(members: dict[str, tarfile.TarInfo], root: str) -> set[str]:
    """Names below a directory of runfiles, those of dependencies cut short."""
    names = {name.removeprefix(f"{root}/") for name in _files(members) if name.startswith(root)}
    assert any("absl" in name for name in names), names
    return {name for name in names if "absl" not in name}


_EXPECTED = {
    "at/the/root",
    "_main/in/the/workspace",
    "_repo_mapping",
    f"{_PROGRAM}/data.txt",
    f"{_PROGRAM}/program",
    *(f"{_PROGRAM}/tree/{name}" for name in ("data/file", "data/same", "link")),
    f"{_PROGRAM}/tree/directory",
}


def test_a_program_brings_its_runfiles() -> None:
    members = _members("programs")
    assert members["bin/program"].mode == 0o755
    found = _runfiles(members, "bin/program.runfiles")
    assert found | {f"{_PROGRAM}/program"} == _EXPECTED
    # Python's rules add the __init__.py that nobody wrote only where they are told to.
    assert f"bin/python.runfiles/{_PROGRAM}/package/deep/module.py" in members
    assert f"bin/python.runfiles/{_PROGRAM}/python.py" in members
    assert _files(_members("program_alone")) == ["bin/program"]


def test_runfiles_are_shared_or_private() -> None:
    private = _members("private.own")
    assert _runfiles(private, "bin/program.runfiles") | {f"{_PROGRAM}/program"} == _EXPECTED
    assert private["bin/program.runfiles"].isdir()
    shared = _members("shared.own")
    assert _runfiles(shared, "runfiles") | {f"{_PROGRAM}/program"} == _EXPECTED
    assert shared["bin/program.runfiles"].linkname == "/runfiles"
    elsewhere = _members("elsewhere.own")
    assert _runfiles(elsewhere, "lib/all") | {f"{_PROGRAM}/program"} == _EXPECTED
    assert elsewhere["lib/program"].linkname == "/lib/all"


def test_a_tar_compressed_anew_is_the_tar_it_was() -> None:
    member = _members("compressed_anew")["data.txt"]
    assert (member.uid, member.gid, member.uname, member.mtime) == (7, 8, "me", 99)
    packed = _members("packed_anew")["data.txt"]
    assert (packed.uid, packed.gid, packed.mtime) == (7, 8, 99)


def test_a_layer_is_described_as_mtree() -> None:
    lines = runfile(f"{_TARGETS}/trees.mtree").read_text().splitlines()
    assert any(line.startswith("./a/tree/link ") and "link=data/file" in line for line in lines)
    assert runfile(f"{_TARGETS}/private.own.mtree").read_text()


def test_metadata_names_no_target() -> None:
    for name in ("trees", "compressed_anew"):
        assert "targets" not in json.dumps(_metadata(name))
