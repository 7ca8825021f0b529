"""/etc/ld.so.cache is what the real ldconfig writes for the same libraries."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from lading.actions import ld_cache as action
from lading.actions.worker import Request
from lading.debian.elf import Library, read_library
from lading.debian.ld_cache import CachedLibrary, write_cache
from lading.errors import InputError

_AMD64, _ARM64 = 62, 183
_LDCONFIG = shutil.which("ldconfig", path="/usr/sbin:/sbin:/usr/bin")
# Digits by value, digits above letters, and ends of names.
_SONAMES = [
    "liba.so.1", "liba.so.2", "liba.so.9", "liba.so.10", "liba.so.1.2", "liba2.so.1", "liba10.so.1",
    "libab.so.1", "liba-1.so.0", "liba_1.so.0", "libA.so.1", "liba+.so.6", "libz.so", "ld-x.so.2",
]  # fmt: skip


def _elf(soname: str, machine: int = _AMD64) -> bytes:
    """A shared object with nothing in it but a dynamic section."""
    strings = b"\0" + soname.encode() + b"\0"
    dynamic_at, strings_at = 64 + 2 * 56, 64 + 2 * 56 + 4 * 16
    entries = [(5, strings_at), (10, len(strings)), (14, 1) if soname else (21, 0), (0, 0)]
    dynamic = b"".join(struct.pack("<qQ", *entry) for entry in entries)
    size = strings_at + len(strings)
    load = struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, size, size, 4096)
    segment = struct.pack("<IIQQQQQQ", 2, 4, dynamic_at, dynamic_at, 0, 64, 64, 8)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = ident + struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    return header + load + segment + dynamic + strings


def _layer(path: Path, files: Iterable[tuple[str, bytes | str]]) -> Path:
    """A layer; a file's content, or a link's target, by path."""
    with tarfile.open(path, "w") as archive:
        for name, content in files:
            member = tarfile.TarInfo(name.lstrip("/"))
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


def parse_cache(data: bytes) -> list[tuple[str, int, str]]:
    """Name, flags and path of each entry of a little-endian cache, in its order."""
    magic, count = struct.unpack_from("<20sI", data)
    assert magic == b"glibc-ld.so.cache1.1"
    found = []
    for number in range(count):
        flags, *places = struct.unpack_from("<iII", data, 48 + 24 * number)
        name, path = (data[at : data.index(b"\0", at)].decode() for at in places)
        found.append((name, flags, path))
    return found


def _cache(tmp_path: Path, *layers: list[tuple[str, bytes | str]]) -> list[tuple[str, int, str]]:
    files = [_layer(tmp_path / f"{number}.tar", each) for number, each in enumerate(layers)]
    output = tmp_path / "cache"
    action.run(Request([f"--output={output}", *(f"--layer={file}" for file in files)]))
    return parse_cache(output.read_bytes())


@pytest.mark.skipif(_LDCONFIG is None, reason="no ldconfig on this machine")
def test_the_cache_is_that_of_the_real_ldconfig(tmp_path: Path) -> None:
    assert _LDCONFIG is not None
    folder = tmp_path / "libraries"
    folder.mkdir()
    files: list[tuple[str, bytes | str]] = [
        *((f"{folder}/{soname}", _elf(soname)) for soname in _SONAMES),
        (f"{folder}/libversion.so.3.1", _elf("libversion.so.3")),
        (f"{folder}/libversion.so.3", "libversion.so.3.1"),
        (f"{folder}/libversion.so", "libversion.so.3"),
        (f"{folder}/libnameless.so", _elf("")),
        (f"{folder}/libscript.so", b"INPUT(-la)\n"),
        (f"{folder}/plugin.so", _elf("plugin.so")),
    ]
    for name, content in files:
        if isinstance(content, str):
            Path(name).symlink_to(content)
        else:
            Path(name).write_bytes(content)
    conf = tmp_path / "ld.so.conf"
    conf.write_text(f"{folder}\n")
    command = [_LDCONFIG, "-i", "-f", str(conf), "-C", str(tmp_path / "real")]
    subprocess.run(command, check=True, capture_output=True)
    real = parse_cache((tmp_path / "real").read_bytes())

    ours = _cache(tmp_path, [("/etc/ld.so.conf", f"{folder}\n".encode()), *files])

    assert ours == [entry for entry in real if entry[2].startswith(f"{folder}/")]
    assert len(ours) == len(_SONAMES) + 3
    shown = subprocess.run(
        [_LDCONFIG, "-p", "-C", str(tmp_path / "cache")], check=True, capture_output=True, text=True
    ).stdout
    assert f"liba.so.10 (libc6,x86-64) => {folder}/liba.so.10" in shown


def test_directories_of_the_configuration_come_first_and_their_links_are_followed(
    tmp_path: Path,
) -> None:
    lower: list[tuple[str, bytes | str]] = [
        ("lib", "usr/lib"),
        ("usr/lib/x86_64-linux-gnu/libc.so.6", _elf("libc.so.6")),
        ("usr/lib/libc.so.6", _elf("libc.so.6")),
        ("etc/ld.so.conf", b"include ld.so.conf.d/*.conf\n"),
        ("etc/ld.so.conf.d/x86_64-linux-gnu.conf", b"# Multiarch\n/lib/x86_64-linux-gnu\n"),
    ]
    upper: list[tuple[str, bytes | str]] = [
        ("usr/lib/libgone.so.1", _elf("libgone.so.1")),
        ("opt/lib/libown.so.1", _elf("libown.so.1", _ARM64)),
        ("etc/ld.so.conf.d/own.conf", b"/opt/lib\n"),
    ]
    top: list[tuple[str, bytes | str]] = [("usr/lib/.wh.libgone.so.1", b"")]

    assert _cache(tmp_path, lower, upper, top) == [
        ("libown.so.1", 0x0A03, "/opt/lib/libown.so.1"),
        ("libc.so.6", 0x0303, "/lib/x86_64-linux-gnu/libc.so.6"),
    ]


def test_the_file_named_like_the_soname_is_preferred(tmp_path: Path) -> None:
    files: list[tuple[str, bytes | str]] = [
        ("usr/lib/lib0.so.1", _elf("libz.so.1")),
        ("usr/lib/libz.so.1", "libz.so.1.3"),
        ("usr/lib/libz.so.1.3", _elf("libz.so.1")),
    ]
    assert _cache(tmp_path, files) == [("libz.so.1", 0x0303, "/usr/lib/libz.so.1")]


def test_a_configuration_that_includes_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="includes more than 64 files, or itself"):
        _cache(tmp_path, [("etc/ld.so.conf", b"include /etc/ld.so.*\n")])


def test_the_order_in_which_libraries_are_found_does_not_matter() -> None:
    libraries = [CachedLibrary(name, f"/lib/{name}", _AMD64) for name in _SONAMES]
    assert write_cache(libraries) == write_cache(reversed(libraries))


def test_a_machine_that_is_not_known_is_refused() -> None:
    with pytest.raises(InputError, match="ELF machine 8"):
        write_cache([CachedLibrary("libc.so.6", "/lib/libc.so.6", 8)])


@pytest.mark.parametrize("cut", [0, 4, 19, 63, 100, 180, 239])
def test_a_damaged_library_has_no_entry_or_no_soname(cut: int) -> None:
    whole = _elf("libwhole.so.1")
    assert read_library(whole) == Library(_AMD64, "libwhole.so.1")
    assert read_library(whole[:cut]) in (None, Library(_AMD64, ""))


def test_a_program_is_no_library() -> None:
    program = bytearray(_elf("x"))
    program[16] = 2  # ET_EXEC
    assert read_library(bytes(program)) is None
