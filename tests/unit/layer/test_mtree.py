"""What a layer's description says of its entries."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

from lading.layer.mtree import describe


def _described(tmp_path: Path, *members: tuple[str, bytes, str]) -> list[list[str]]:
    """The words of each line, without what all entries here have in common."""
    with tarfile.open(tmp_path / "layer.tar", "w") as archive:
        for name, kind, link in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mode = kind, link, 0o755
            member.size = 1 if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(b"x"))
    head, *lines = describe(str(tmp_path / "layer.tar")).decode().splitlines()
    assert head == "#mtree"
    common = {"mode=0755", "uid=0", "gid=0", "time=0.0"}
    return [[word for word in line.split() if word not in common] for line in lines]


_CONTENT = ["type=file", "size=1", f"sha256={hashlib.sha256(b'x').hexdigest()}"]


def test_names_as_tar_writes_them_for_a_directory(tmp_path: Path) -> None:
    assert _described(
        tmp_path,
        ("./", tarfile.DIRTYPE, ""),
        ("./d/", tarfile.DIRTYPE, ""),
        ("./d/file", tarfile.REGTYPE, ""),
        ("./d/space #", tarfile.SYMTYPE, "a b"),
    ) == [
        [".", "type=dir"],
        ["./d", "type=dir"],
        ["./d/file", *_CONTENT],
        ["./d/space\\040\\043", "type=link", "link=a\\040b"],
    ]


def test_a_hard_link_is_what_it_is_a_name_of(tmp_path: Path) -> None:
    assert _described(
        tmp_path,
        ("a", tarfile.REGTYPE, ""),
        ("./b", tarfile.LNKTYPE, "a"),
        ("c", tarfile.LNKTYPE, "./b"),
        ("l", tarfile.SYMTYPE, "a"),
        ("m", tarfile.LNKTYPE, "l"),
    ) == [
        ["./a", *_CONTENT],
        ["./b", *_CONTENT],
        ["./c", *_CONTENT],
        ["./l", "type=link", "link=a"],
        ["./m", "type=link", "link=a"],
    ]


def test_names_of_owners_and_times_before_the_epoch(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "layer.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("a")
        member.uname, member.gname, member.mtime = "me", "us and them", -0.5
        archive.addfile(member)
    [_, line] = describe(str(tmp_path / "layer.tar")).decode().splitlines()
    assert {"uname=me", "gname=us\\040and\\040them", "time=-1.0"} <= set(line.split())
