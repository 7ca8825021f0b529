"""PAX extended header records, read strictly (POSIX.1-2017 pax, "pax Extended Header")."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lading.scan.codec import Fault

__all__ = ["ATTRIBUTE", "Report", "attributes", "number", "parse_pax", "seconds", "sparse_name"]

#: Takes the identity of a rule, the place and what is there.
Report = Callable[[str, str, str], None]

#: What keys of extended attributes begin with. They may be empty: no reader takes that for one
#: that is taken back.
ATTRIBUTE = b"SCHILY.xattr."

#: The oldest form of GNU sparse maps repeats its keys.
_REPEATED = frozenset({b"GNU.sparse.offset", b"GNU.sparse.numbytes"})

#: An empty value takes back what a header says for some readers, and is the value for others.
_NEVER_EMPTY = frozenset(
    {b"path", b"linkpath", b"size", b"uid", b"gid", b"uname", b"gname", b"mtime"}
)


def attributes(records: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """The extended attributes among `records`, by name."""
    return {
        key.removeprefix(ATTRIBUTE): value
        for key, value in records.items()
        if key.startswith(ATTRIBUTE)
    }


def parse_pax(data: bytes, *, at: str) -> dict[bytes, bytes]:
    """The records `length key=value` in `data`; a key with an empty value is left out.

    An extended attribute is not. Raises Fault (`tar-pax`) for anything that two readers could
    understand differently: a length that is off, a key that occurs twice or holds a NUL, a NUL in
    a name, a name or number without a value.
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
        if end > len(data) or not record.endswith(b"\n") or not equals or not key or b"\0" in key:
            raise Fault("tar-pax", f"the record {record[:40]!a} is malformed", at=at)
        if key in seen and key not in _REPEATED:
            raise Fault("tar-pax", f"{key[:40]!a} occurs twice", at=at)
        seen.add(key)
        if not value and (key in _NEVER_EMPTY or key.startswith(b"GNU.sparse.")):
            raise Fault("tar-pax", f"{key.decode()} has no value", at=at)
        if b"\0" in value and key in (b"path", b"linkpath", b"size", b"uname", b"gname"):
            raise Fault("tar-pax", f"{key.decode()} holds a NUL", at=at)
        if value or key.startswith(ATTRIBUTE):
            records[key] = value
        position = end
    return records


def number(pax: Mapping[bytes, bytes], key: bytes, default: int, report: Report, at: str) -> int:
    """The whole number under `key`; `default` if there is none, or one that is malformed."""
    text = pax.get(key)
    if text is None:
        return default
    if not text.isdigit() or len(text) > 19:
        report("tar-pax", at, f"{key.decode()} is {text[:40]!a}")
        return default
    return int(text)


def seconds(pax: Mapping[bytes, bytes], key: bytes, default: int, report: Report, at: str) -> float:
    """The time under `key`; `default` if there is none, or one that is malformed."""
    text = pax.get(key)
    if text is None:
        return default
    whole, _, fraction = text.removeprefix(b"-").partition(b".")
    if not whole.isdigit() or len(text) > 40 or (fraction and not fraction.isdigit()):
        report("tar-pax", at, f"{key.decode()} is {text[:40]!a}")
        return default
    # Digits that a float has no room for would round a time up to the next second.
    value = int(whole) + (float(b"0." + fraction[:6]) if fraction and len(whole) < 11 else 0.0)
    return -value if text.startswith(b"-") else value


def sparse_name(value: bytes, plain: bytes, *, at: str) -> bytes:
    """The name of a sparse file, `value`; readers that do not know the format see `plain`.

    Writers put a directory GNUSparseFile.N around the file there. Raises Fault (`tar-pax`) for
    any other name: it could hide what the file is for those readers.
    """
    import re

    directory, _, base = value.rpartition(b"/")
    place = re.escape(directory + b"/") if directory else b""
    if not re.fullmatch(rb"(?:\./)?" + place + rb"GNUSparseFile\.[0-9]+/" + re.escape(base), plain):
        what = f"GNU.sparse.name is {value[:40]!a}, and the name itself {plain[:40]!a}"
        raise Fault("tar-pax", what, at=at)
    return value
