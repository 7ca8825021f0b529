"""Files of a package, and the two build actions that read them."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import zstandard

from lading.actions import ca_bundle, deb_files
from lading.actions.worker import Request
from lading.debian.deb import members
from lading.errors import CorruptError, NotFoundError


def ar(content: Mapping[str, bytes]) -> bytes:
    parts = [b"!<arch>\n"]
    for name, data in content.items():
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n"
        parts += [header.encode(), data, b"\n" * (len(data) % 2)]
    return b"".join(parts)


def data_tar(entries: Mapping[str, bytes | str | None], mode: str = "w:xz") -> bytes:
    """Bytes are a file, text is the target of a link, None is a directory."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in entries.items():
            header = tarfile.TarInfo(f"./{name}")
            header.mtime = 1_700_000_000
            if content is None:
                header.type, header.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(content, str):
                header.type, header.linkname = tarfile.SYMTYPE, content
            else:
                header.size = len(content)
            archive.addfile(header, io.BytesIO(content if isinstance(content, bytes) else b""))
    return stream.getvalue()


def deb(folder: Path, entries: Mapping[str, bytes | str | None]) -> str:
    path = folder / "package.deb"
    content = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": b"odd",
        "data.tar.xz": data_tar(entries),
    }
    path.write_bytes(ar(content))
    return str(path)


CERTIFICATES = {
    "usr/share/ca-certificates/": None,
    "usr/share/ca-certificates/mozilla/B.crt": b"-B-\n\n",
    "usr/share/ca-certificates/mozilla/A.crt": b"-A-",
    "usr/share/ca-certificates/readme": b"no certificate",
    "etc/x.crt": b"elsewhere",
}


def test_members_of_a_package(tmp_path: Path) -> None:
    found = {
        each.path: each for each in members(deb(tmp_path, {"a/": None, "a/l": "f", "a/f": b"1"}))
    }
    assert found["/a"].kind == "directory"
    assert (found["/a/l"].kind, found["/a/l"].link) == ("symlink", "f")
    assert (found["/a/f"].kind, found["/a/f"].data) == ("file", b"1")


@pytest.mark.parametrize("compression", ["zst", "gz", ""])
def test_data_may_be_compressed_as_dpkg_can(tmp_path: Path, compression: str) -> None:
    """deb(5): Ubuntu compresses with zstd; a package may as well not be compressed at all."""
    plain = data_tar({"a": None, "a/f": b"1"}, "w")
    packed = {"zst": zstandard.compress(plain), "gz": gzip.compress(plain), "": plain}
    path = tmp_path / "x.deb"
    path.write_bytes(
        ar(
            {
                "debian-binary": b"2.0\n",
                "control.tar.xz": b"odd",
                f"data.tar.{compression}".rstrip("."): packed[compression],
            }
        )
    )
    assert [(each.path, each.data) for each in members(str(path))] == [("/a", b""), ("/a/f", b"1")]


def test_hard_links_come_as_files(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        header = tarfile.TarInfo("./a")
        header.size = 1
        archive.addfile(header, io.BytesIO(b"1"))
        header = tarfile.TarInfo("./b")
        header.type, header.linkname = tarfile.LNKTYPE, "./a"
        archive.addfile(header)
    path = tmp_path / "x.deb"
    path.write_bytes(
        ar({"debian-binary": b"2.0\n", "control.tar": b"", "data.tar": stream.getvalue()})
    )
    assert [(each.path, each.kind, each.data) for each in members(str(path))] == [
        ("/a", "file", b"1"),
        ("/b", "file", b"1"),
    ]


def test_bundle_is_sorted_and_every_certificate_starts_a_line(tmp_path: Path) -> None:
    output = tmp_path / "bundle.crt"
    package = deb(tmp_path, CERTIFICATES)
    ca_bundle.run(Request([f"--deb={package}", f"--output={output}"]))
    assert output.read_bytes() == b"-A-\n-B-\n"


def test_a_package_without_certificates_is_refused(tmp_path: Path) -> None:
    package = deb(tmp_path, {"etc/x.crt": b"elsewhere"})
    with pytest.raises(NotFoundError, match="no certificates"):
        ca_bundle.run(Request([f"--deb={package}", f"--output={tmp_path}/x"]))


def test_picked_files_are_sorted_owned_by_root_and_without_time(tmp_path: Path) -> None:
    package = deb(tmp_path, {"b/two": b"2", "b/one": b"1", "b": None, "bc": b"no", "l": "b/one"})
    output = tmp_path / "out.tar"
    deb_files.run(Request([f"--deb={package}", f"--output={output}", "--path=/b", "--path=/l"]))
    with tarfile.open(output) as archive:
        entries = archive.getmembers()
    assert [entry.name for entry in entries] == ["b", "b/one", "b/two", "l"]
    assert {(entry.uid, entry.gid, entry.uname, entry.mtime) for entry in entries} == {
        (0, 0, "", 0)
    }
    assert entries[3].linkname == "b/one"


def test_all_files_are_picked_with_the_directory_that_holds_them(tmp_path: Path) -> None:
    package = deb(tmp_path, {"": None, "a": b"1"})
    output = tmp_path / "out.tar"
    deb_files.run(Request([f"--deb={package}", f"--output={output}", "--path=/"]))
    with tarfile.open(output) as archive:
        assert archive.getnames() == [".", "a"]


def test_a_path_that_is_not_there_is_named_and_nothing_written(tmp_path: Path) -> None:
    package = deb(tmp_path, {"b/two": b"2"})
    output = tmp_path / "out.tar"
    with pytest.raises(NotFoundError, match="has no /c"):
        deb_files.run(Request([f"--deb={package}", f"--output={output}", "--path=/b", "--path=/c"]))
    assert not output.exists()


@pytest.mark.parametrize("keep", [0, 8, 40, 150, -1])
def test_a_package_that_is_cut_off_is_refused(tmp_path: Path, keep: int) -> None:
    package = Path(deb(tmp_path, CERTIFICATES))
    package.write_bytes(package.read_bytes()[:keep])
    with pytest.raises(CorruptError):
        list(members(str(package)))


def test_damaged_data_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.deb"
    path.write_bytes(
        ar(
            {
                "debian-binary": b"2.0\n",
                "control.tar.xz": b"odd",
                "data.tar.xz": b"\xfd7zXZ\x00" + b"\0" * 40,
            }
        )
    )
    with pytest.raises(CorruptError, match=r"data\.tar"):
        list(members(str(path)))
    with pytest.raises(NotFoundError):
        list(members(str(tmp_path / "absent")))
