"""Debian packages in a layer: unpacked into a merged /usr, wherever their files say they lie."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from lading.errors import CorruptError
from tests.unit.layer.bench import build

#: Text is the target of a link, None is a directory.
Files = Mapping[str, bytes | str | None]


def _tar(files: Files) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.mode = 0o755
            if content is None:
                member.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                member.type, member.linkname, member.mode = tarfile.SYMTYPE, content, 0o777
            else:
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content if isinstance(content, bytes) else b""))
    return gzip.compress(stream.getvalue())


def _ar(members: list[tuple[str, bytes]]) -> bytes:
    parts = [b"!<arch>\n"]
    for name, data in members:
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n"
        parts += [header.encode(), data, b"\n" * (len(data) % 2)]
    return b"".join(parts)


def _members(name: str, files: Files) -> list[tuple[str, bytes]]:
    control = _tar({"control": f"Package: {name}\nVersion: 1\n".encode()})
    return [
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", control),
        ("data.tar.gz", _tar(files)),
    ]


def _layer(tmp_path: Path, *packages: Files) -> dict[str, str]:
    """What the layer of some packages has, apart from the package database."""
    lines = []
    for number, files in enumerate(packages):
        path = tmp_path / f"{number}.deb"
        path.write_bytes(_ar(_members(f"package{number}", files)))
        lines.append(f"P\t\t{path}")
    kinds = {tarfile.DIRTYPE: "directory", tarfile.REGTYPE: "file", tarfile.LNKTYPE: "file"}
    return {
        name: member.linkname if member.issym() else kinds[member.type]
        for name, member in build(tmp_path, lines).members().items()
        if not name.startswith("var")
    }


def test_directories_that_are_links_now(tmp_path: Path) -> None:
    # As packages of Debian 12 have them: bash is ./bin/ and ./bin/bash.
    assert _layer(
        tmp_path,
        {"": None, "bin/": None, "bin/bash": b"bash", "bin/rbash": "bash"},
        {"lib/": None, "lib/x.so": b"x", "usr/": None, "usr/lib/": None, "usr/lib/y.so": b"y"},
        {"bin": "usr/bin", "usr/": None, "usr/bin/": None},
    ) == {
        "bin": "usr/bin",
        "lib": "usr/lib",
        "usr": "directory",
        "usr/bin": "directory",
        "usr/bin/bash": "file",
        "usr/bin/rbash": "bash",
        "usr/lib": "directory",
        "usr/lib/x.so": "file",
        "usr/lib/y.so": "file",
    }


def test_a_compatibility_link_within_one_directory_is_left_out(tmp_path: Path) -> None:
    files = {"bin/": None, "bin/a": b"a", "usr/bin/": None, "usr/bin/a": "/bin/a"}
    assert _layer(tmp_path, files)["usr/bin/a"] == "file"


@pytest.mark.parametrize("name", ["control.tar.gz", "data.tar.gz"])
def test_a_package_with_two_of_an_archive(tmp_path: Path, name: str) -> None:
    members = _members("package", {"a": b"a"})
    other = (name.replace(".gz", ".xz"), dict(members)[name])
    path = tmp_path / "two.deb"
    for listed in ([*members, other], [members[0], other, *members[1:]]):
        path.write_bytes(_ar(listed))
        with pytest.raises(CorruptError, match=r"one control\.tar and one data\.tar"):
            build(tmp_path, [f"P\t\t{path}"])
