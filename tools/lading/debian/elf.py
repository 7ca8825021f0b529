"""What a dynamic loader's cache has to know of an ELF file: its machine and its soname (elf(5))."""

from __future__ import annotations

import struct
from dataclasses import dataclass

__all__ = ["Library", "read_library"]

_MAGIC = b"\x7fELF"
_SHARED = 3  # ET_DYN
_LOAD, _DYNAMIC = 1, 2  # PT_LOAD, PT_DYNAMIC
_NULL, _STRINGS, _SONAME = 0, 5, 14  # DT_NULL, DT_STRTAB, DT_SONAME

# Of a 64-bit and a 32-bit file: e_phoff, e_phentsize and e_phnum in the header, then p_type,
# p_offset, p_vaddr and p_filesz in a program header, then a dynamic entry.
_LAYOUTS = {2: ("32xQ14xHH", "I4xQQ8xQ", "qQ"), 1: ("28xI10xHH", "IIII", "iI")}


@dataclass(frozen=True, slots=True)
class Library:
    """A shared library: `machine` is e_machine, `soname` is empty where it has none."""

    machine: int
    soname: str


def read_library(data: bytes) -> Library | None:
    """The library in `data`; None if that is no shared ELF object, or a damaged one.

    What a file claims is believed only as far as the file goes.
    """
    if data[:4] != _MAGIC or len(data) < 20 or data[4] not in _LAYOUTS or data[5] not in (1, 2):
        return None
    order = "<" if data[5] == 1 else ">"
    kind, machine = struct.unpack_from(order + "HH", data, 16)
    if kind != _SHARED:
        return None
    try:
        soname = _soname(data, [order + layout for layout in _LAYOUTS[data[4]]])
    except (struct.error, ValueError):
        return None
    return Library(machine, soname)


def _soname(data: bytes, layouts: list[str]) -> str:
    header, program, dynamic = layouts
    table, size, count = struct.unpack_from(header, data)
    segments = [struct.unpack_from(program, data, table + size * number) for number in range(count)]
    loaded = [segment for segment in segments if segment[0] == _LOAD]
    names: dict[int, int] = {}
    for kind, offset, _, length in segments:
        if kind == _DYNAMIC:
            whole = length - length % struct.calcsize(dynamic)
            for tag, value in struct.iter_unpack(dynamic, data[offset : offset + whole]):
                if tag == _NULL:
                    break
                names.setdefault(tag, value)
    if _SONAME not in names or _STRINGS not in names:
        return ""
    for _, offset, address, length in loaded:
        if address <= names[_STRINGS] < address + length:
            start = offset + names[_STRINGS] - address + names[_SONAME]
            return data[start : data.index(b"\0", start)].decode("ascii")
    return ""
