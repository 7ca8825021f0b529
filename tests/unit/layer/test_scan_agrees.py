"""What the scanner takes, another reader reads in the same way (CVE-2025-62518 and its kin).

Archives are put together from headers, extensions and fields in every form that a reader has been
seen to take for something else. Most are refused; of the others every name, type, size, owner, mode
and byte has to be what Python's reader finds. On demand the same was done with those of Go,
libarchive and GNU: this is what can be had everywhere.
"""

from __future__ import annotations

import hashlib
import io
import random
import tarfile
from typing import NamedTuple

import pytest

from lading.oci.verify_table import RULES, Severity
from lading.scan.rules import LayerRules, clean_name
from lading.scan.source import StreamSource
from lading.scan.tar import TarScanner

_ARCHIVES = 4000
_NAMES = [
    b"a", b"b", b"c/d", b"a/", b"./a", b"a//b", b"x y", b"t ", b"\xc3\xa9", b"n" * 100, b".", b"./",
    b"d/" + b"n" * 98, b"/abs", b"../up", b"e\0hidden",
]  # fmt: skip
_TYPES = [b"0"] * 8 + [b"\0", b"5", b"5", b"2", b"1", b"7", b"3", b"6", b"S", b"D", b"V", b"Z"]
_MAGICS = [b"ustar\x0000"] * 4 + [b"ustar  \0"] * 2 + [bytes(8), b"ustar\0  ", b"USTAR\x0000"]
_RECORDS: dict[bytes, list[bytes]] = {
    b"path": [*_NAMES, b"p" * 200, b""],
    b"linkpath": [b"a", b"k" * 150, b""],
    b"size": [b"0", b"5", b"513", b"", b" 5", b"5x", b"+1"],
    b"uid": [b"5", b"99999999", b"-1", b"1.5", b""],
    b"mtime": [b"1", b"-3", b"1e3", b""],
    b"uname": [b"root", b"x\0y", b""],
    b"comment": [b"x"],
    b"GNU.sparse.name": [b"a", b""],
    b"GNU.sparse.realsize": [b"5"],
}


class _Seen(NamedTuple):
    name: bytes
    type: str
    size: int
    link: bytes
    owner: tuple[int, int]
    mode: int
    mtime: int
    digest: str


def _number(chance: random.Random, width: int, value: int) -> bytes:
    digits = b"%o" % value
    forms = [
        digits.rjust(width - 1, b"0") + b"\0",
        digits.rjust(width - 2, b"0") + b" \0",
        digits.rjust(width - 1) + b"\0",
        digits.rjust(width, b"0"),
        digits.ljust(width, b"\0"),
        digits.ljust(width),
        (0x80 << (8 * (width - 1)) | value).to_bytes(width, "big"),
        b"\0" + digits.ljust(width - 1, b"\0"),
        (digits + b"\0").ljust(width, b"7"),
        bytes(width),
        b" " * width,
        b"\xff" * width,
        b"+5".ljust(width, b"\0"),
        b"0x10".ljust(width, b"\0"),
        b"-1".ljust(width, b"\0"),
        b"8".rjust(width, b"0"),
    ]
    return forms[0] if chance.random() < 0.8 else chance.choice(forms)


def _header(chance: random.Random, name: bytes, kind: bytes, size: int, link: bytes) -> bytes:
    block = bytearray(512)

    def put(at: int, data: bytes) -> None:
        block[at : at + len(data)] = data

    put(0, name[:100])
    put(100, _number(chance, 8, chance.choice([0o644, 0o755])))
    put(108, _number(chance, 8, chance.choice([0, 1000])))
    put(116, _number(chance, 8, 1000))
    put(124, _number(chance, 12, size))
    put(136, _number(chance, 12, 1_700_000_000))
    put(156, kind)
    put(157, link[:100])
    put(257, chance.choice(_MAGICS))
    if chance.random() < 0.15:
        put(345, chance.choice([b"pre", b"pre/fix", b"..", b"a/", b"p\0q", b"q" * 155]))
    if chance.random() < 0.05:
        put(chance.choice([329, 337, 476, 488]), chance.choice([b"0000005", b"zzzzzzz"]))
        put(508, b"tar\0")
    if chance.random() < 0.05:
        block[chance.randrange(512)] = chance.randrange(256)
    put(148, b" " * 8)
    put(148, chance.choice([b"%06o\0 ", b"%07o\0", b"%06o \0"]) % sum(block))
    return bytes(block)


def _record(key: bytes, value: bytes) -> bytes:
    data = b" %s=%s\n" % (key, value)
    length = len(data) + 1
    while length != len(data) + len(str(length)):
        length = len(data) + len(str(length))
    return b"%d%s" % (length, data)


def _extension(chance: random.Random) -> bytes:
    kind = chance.choice([b"x"] * 6 + [b"g", b"X", b"L", b"L", b"K"])
    if kind in b"LK":
        body = chance.choice([*_NAMES, b"G" * 150]) + chance.choice([b"\0", b"", b"\0tail"])
    else:
        keys = chance.sample(sorted(_RECORDS), chance.choice([1, 1, 2]))
        body = b"".join(_record(key, chance.choice(_RECORDS[key])) for key in keys)
    padded = body + bytes(-len(body) % 512)
    return _header(chance, b"PaxHeaders/x", kind, len(body), b"") + padded


def _archive(chance: random.Random) -> bytes:
    parts = []
    for _ in range(chance.choice([1, 1, 2, 3])):
        kind = chance.choice(_TYPES)
        data = (
            chance.randbytes(chance.choice([0, 1, 5, 511, 512, 513])) if kind in b"0\x007" else b""
        )
        link = chance.choice([b"a", b"c/d", b"/etc", b"../x"]) if kind in b"12" else b""
        parts += [_extension(chance) for _ in range(chance.choice([0, 0, 0, 1, 2]))]
        parts.append(_header(chance, chance.choice(_NAMES), kind, len(data), link))
        parts.append(data + bytes(-len(data) % 512))
    return b"".join([*parts, chance.choice([bytes(1024)] * 8 + [bytes(512), bytes(5120), b""])])


def _ours(data: bytes) -> list[_Seen] | None:
    """The entries, or None for an archive that is refused or not stored as it is."""
    rules: set[str] = set()
    seen: list[_Seen] = []

    def report(rule: str, at: str, what: str) -> None:
        rules.add(rule)

    scanner, layer = TarScanner(StreamSource(iter([data])), report), LayerRules(report)
    for entry in scanner:
        layer.check(entry)
        content = b"".join(bytes(piece) for piece in scanner.data())
        is_file = entry.type == "0"
        seen.append(
            _Seen(
                clean_name(entry.name),
                entry.type,
                entry.size if is_file else 0,
                entry.link if entry.type in "12" else b"",
                (entry.uid, entry.gid),
                entry.mode & 0o7777,
                int(entry.mtime),
                hashlib.sha256(content).hexdigest() if is_file else "",
            )
        )
    refused = any(RULES[rule].severity is Severity.ERROR for rule in rules)
    return None if refused or "tar-sparse" in rules else seen


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _python(data: bytes) -> list[_Seen]:
    seen: list[_Seen] = []
    with tarfile.open(
        fileobj=io.BytesIO(data), mode="r:", errorlevel=2, encoding="utf-8"
    ) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() else None
            content = None if file is None else file.read()
            kind = "0" if member.isreg() else member.type.decode("latin-1")
            seen.append(
                _Seen(
                    clean_name(_encoded(member.name)),
                    kind,
                    member.size if member.isreg() else 0,
                    _encoded(member.linkname) if kind in "12" else b"",
                    (member.uid, member.gid),
                    member.mode & 0o7777,
                    int(member.mtime),
                    "" if content is None else hashlib.sha256(content).hexdigest(),
                )
            )
    return seen


@pytest.mark.parametrize("seed", range(4))
def test_what_is_taken_is_read_alike(seed: int) -> None:
    chance = random.Random(seed)
    taken = 0
    for _ in range(_ARCHIVES):
        data = _archive(chance)
        ours = _ours(data)
        if ours is None:
            continue
        taken += 1
        assert _python(data) == ours
    # Enough of them have to be sound for this to say anything.
    assert taken > _ARCHIVES / 20
