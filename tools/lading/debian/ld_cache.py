"""/etc/ld.so.cache as ldconfig(8) writes it: the format `glibc-ld.so.cache1.1` of glibc 2.32 on.

The loader looks a library up by binary search, so the order of the entries is part of the format
(glibc, elf/cache.c and sysdeps/generic/dl-cache.h).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from lading.errors import InputError

__all__ = ["CachedLibrary", "write_cache"]

_MAGIC = b"glibc-ld.so.cache1.1"
#: Magic, number of entries, bytes of strings, flags (2: little endian), offset of extensions.
_HEADER = "20sIIB3xI12x"
#: Flags, offsets of name and path, version of the operating system, hardware capabilities.
_ENTRY = "iIIIQ"
_LITTLE_ENDIAN = 2

#: By e_machine: FLAG_ELF_LIBC6 and the ABI of what Debian has of that machine (ldconfig.h).
_FLAGS = {
    3: 0x0003,  # i386
    21: 0x0503,  # ppc64el
    22: 0x0403,  # s390x
    40: 0x0903,  # armhf
    62: 0x0303,  # amd64
    183: 0x0A03,  # arm64
    243: 0x1003,  # riscv64
}
_BIG_ENDIAN = 22


@dataclass(frozen=True, slots=True)
class CachedLibrary:
    """What the loader finds under `name`: the library at `path`, for the ELF machine `machine`."""

    name: str
    path: str
    machine: int


def write_cache(libraries: Iterable[CachedLibrary]) -> bytes:
    """The cache of `libraries`; of two for the same name and machine, the first counts.

    Raises:
        InputError: a library is for a machine that is not known, or machines are mixed that
            differ in byte order.
    """
    found: dict[tuple[str, int], CachedLibrary] = {}
    for library in libraries:
        if library.machine not in _FLAGS:
            raise InputError(f"{library.path} is for the ELF machine {library.machine}")
        found.setdefault((library.name, _FLAGS[library.machine]), library)
    big = {library.machine == _BIG_ENDIAN for library in found.values()}
    if len(big) > 1:
        raise InputError("libraries of different byte orders cannot share one ld.so.cache")
    order = ">" if True in big else "<"
    keys = sorted(found, key=lambda key: (_sort_key(key[0]), key[1]), reverse=True)
    start = struct.calcsize(order + _HEADER) + len(keys) * struct.calcsize(order + _ENTRY)
    entries, strings = [], bytearray()
    offsets: dict[str, int] = {}
    for name, flags in keys:
        for text in (name, found[name, flags].path):
            if text not in offsets:
                offsets[text] = start + len(strings)
                strings += text.encode() + b"\0"
        path = found[name, flags].path
        entries.append(struct.pack(order + _ENTRY, flags, offsets[name], offsets[path], 0, 0))
    endian = 3 if order == ">" else _LITTLE_ENDIAN
    header = struct.pack(order + _HEADER, _MAGIC, len(keys), len(strings), endian, 0)
    return header + b"".join(entries) + bytes(strings)


def _sort_key(name: str) -> list[tuple[int, int]]:
    """Orders names as _dl_cache_libcmp does: digits by value, above other characters."""
    key: list[tuple[int, int]] = []
    digits = ""
    for character in name:
        if "0" <= character <= "9":
            digits += character
            continue
        if digits:
            key.append((1, int(digits)))
            digits = ""
        key.append((0, ord(character)))
    if digits:
        key.append((1, int(digits)))
    return key
