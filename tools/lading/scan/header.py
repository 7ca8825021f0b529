"""One 512-byte tar header, read strictly (POSIX.1-2017 pax, "ustar Interchange Format")."""

from __future__ import annotations

from typing import NamedTuple

from lading.scan.codec import Fault

__all__ = ["BLOCK", "Header", "parse_header"]

#: Bytes in a tar block.
BLOCK = 512
_MAX_SIZE = (1 << 63) - 1
#: Bytes of a prefix in the headers of star, which times follow.
_STAR_PREFIX = 131


class Header(NamedTuple):
    """The fields of a header. `faults` says what is wrong with those that can be done without.

    `plain` tells the typeflag `0` from the NUL that stood for files, and for directories by a slash
    at the end of their names, before there was a `5`.
    """

    name: bytes
    type: str
    size: int
    mode: int
    uid: int
    gid: int
    mtime: int
    uname: bytes
    gname: bytes
    link: bytes
    device: tuple[int, int]
    sparse_continues: bool
    plain: bool
    faults: tuple[str, ...]


def parse_header(block: bytes, *, at: str) -> Header:
    """Reads a block that is not all zeros.

    Raises Fault (`tar-header`) when the checksum fails or the size cannot be read: the next
    header could not be found.
    """
    _check_sum(block, at)
    faults: list[str] = []
    try:
        size = _number(block[124:136])
    except ValueError:
        size = -1
    if not 0 <= size <= _MAX_SIZE:
        raise Fault("tar-header", f"the size is {block[124:136]!a}", at=at)
    magic = block[257:265]
    posix, gnu = magic[:6] == b"ustar\0", magic == b"ustar  \0"
    name, link = _text(block[:100]), _text(block[157:257])
    uname = gname = b""
    # GNU tar writes them into headers from before ustar, and some readers read them there.
    device = (
        _lenient(block[329:337], "devmajor", faults),
        _lenient(block[337:345], "devminor", faults),
    )
    if posix or gnu:
        uname, gname = _text(block[265:297]), _text(block[297:329])
    elif magic.rstrip(b"\0"):
        faults.append(f"the magic is {magic!a}")
    typeflag = chr(block[156])
    if posix:
        prefix = _text(block[345:500])
        name = prefix + b"/" + name if prefix else name
        if block[508:] == b"tar\0":
            if len(prefix) > _STAR_PREFIX:
                faults.append("the prefix of the name is too long for star: some readers take less")
            _lenient(block[476:488], "atime", faults)
            _lenient(block[488:500], "ctime", faults)
    elif typeflag != "S" and block[345:500].strip(b"\0"):
        faults.append("there is a prefix of the name, and no ustar to say so: some readers take it")
    return Header(
        name,
        "0" if typeflag == "\0" else typeflag,
        size,
        _lenient(block[100:108], "mode", faults),
        _lenient(block[108:116], "uid", faults),
        _lenient(block[116:124], "gid", faults),
        _lenient(block[136:148], "mtime", faults),
        uname,
        gname,
        link,
        device,
        typeflag == "S" and block[482] == 1,
        typeflag == "0",
        tuple(faults),
    )


def _check_sum(block: bytes, at: str) -> None:
    try:
        stated = _number(block[148:156])
    except ValueError:
        stated = -1
    # The sum counts its own field as spaces.
    total = sum(block) - sum(block[148:156]) + 8 * 0x20
    if stated == total:
        return
    # Some old writers summed signed bytes; readers accept both.
    high = sum(byte > 127 for byte in block) - sum(byte > 127 for byte in block[148:156])
    if stated != total - 256 * high:
        said = "no number" if stated < 0 else f"{stated:o}"
        raise Fault("tar-header", f"the checksum of this header is {said}, not {total:o}", at=at)


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int:
    """Octal digits, or GNU's base 256; an empty field is 0. Raises ValueError."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    if field[0] == 0xFF:
        return int.from_bytes(field, "big", signed=True)
    # After a NUL some readers stop, before digits too.
    text = field.lstrip(b" ").rstrip(b" \0")
    if not text:
        return 0
    if text.strip(b"01234567"):
        raise ValueError
    return int(text, 8)


def _lenient(field: bytes, name: str, faults: list[str]) -> int:
    try:
        return _number(field)
    except ValueError:
        faults.append(f"{name} is {field!a}")
        return 0
