"""PAX extended header records, read strictly (POSIX.1-2017 pax, "pax Extended Header")."""

from __future__ import annotations

from lading.layer.scan_codec import Fault

__all__ = ["parse_pax"]

#: The oldest form of GNU sparse maps repeats its keys.
_REPEATED = frozenset({b"GNU.sparse.offset", b"GNU.sparse.numbytes"})


def parse_pax(data: bytes, *, at: str) -> dict[bytes, bytes]:
    """The records `length key=value` in `data`; an empty value removes its key.

    Raises Fault (`tar-pax`) for anything that two readers could understand differently: a length
    that is off, a key that occurs twice, a NUL in a name.
    """
    records: dict[bytes, bytes] = {}
    seen: set[bytes] = set()
    position = 0
    while position < len(data):
        space = data.find(b" ", position, position + 20)
        digits = data[position:space] if space > 0 else b""
        if not digits.isdigit() or digits.startswith(b"0"):
            raise Fault("tar-pax", f"a record starts with {data[position:][:20]!a}", at=at)
        end = position + int(digits)
        record = data[space + 1 : end]
        key, equals, value = record[:-1].partition(b"=")
        if end > len(data) or not record.endswith(b"\n") or not equals or not key:
            raise Fault("tar-pax", f"the record {record[:40]!a} is malformed", at=at)
        if key in seen and key not in _REPEATED:
            raise Fault("tar-pax", f"{key[:40]!a} occurs twice", at=at)
        seen.add(key)
        if b"\0" in value and key in (b"path", b"linkpath", b"size", b"uname", b"gname"):
            raise Fault("tar-pax", f"{key.decode()} holds a NUL", at=at)
        if value:
            records[key] = value
        position = end
    return records
