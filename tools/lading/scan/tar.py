"""Reads a tar archive as a stream of entries, and notes whatever two readers could read
differently. Nothing is extracted; memory does not depend on the size of the archive.

POSIX.1-2017 pax (ustar and extended headers) and the GNU extensions are understood.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO, NamedTuple

from lading.scan.codec import CHUNK, Fault, uncompressed
from lading.scan.header import BLOCK, Header, parse_header
from lading.scan.pax import ATTRIBUTE, Report, number, parse_pax, seconds, sparse_name
from lading.scan.source import Source, StreamSource

__all__ = ["Entry", "Report", "TarScanner", "entry_at", "scan_stream"]

_ZERO_BLOCK = bytes(BLOCK)
#: Largest extended header accepted, in bytes; Go's archive/tar has the same cap.
_MAX_EXTENSION = 1 << 20
#: Largest name or link target accepted, in bytes: Linux opens no longer path (PATH_MAX).
_MAX_NAME = 4096
#: Largest id: -1, or what is -1 in 32 bits, tells chown to leave the owner as it is.
_MAX_ID = 2**32 - 2
_MAX_MTIME = 2**63 - 1
#: Keys of extended headers that change what an entry is.
_OF_ENTRIES = frozenset(
    {b"path", b"linkpath", b"size", b"uid", b"gid", b"uname", b"gname", b"mtime", b"hdrcharset"}
)
#: One of these tells a reader that an entry is sparse, by the version of the format.
_SPARSE = frozenset({b"GNU.sparse.numblocks", b"GNU.sparse.map", b"GNU.sparse.major"})
_PREFIXES = (ATTRIBUTE, b"LIBARCHIVE.xattr.", b"GNU.sparse.")
#: Largest size a ustar header can state, in bytes: eleven octal digits.
_MAX_USTAR_SIZE = 0o77777777777

#: Types whose data follows the header; every other known type has none.
_REGULAR = frozenset("07S")
_WITHOUT_DATA = frozenset("123456")


class Entry(NamedTuple):
    """One member of an archive.

    `name` and `link` are as stored, after extended headers; `type` is the header's typeflag with
    the old forms of a regular file and a directory made `0` and `5`. `offset` is where the data
    begins, in bytes from the start of the archive; `mtime` is in seconds.
    """

    index: int  # type: ignore[assignment]  # a field, not the method of tuple
    offset: int
    name: bytes
    type: str
    size: int
    mode: int
    uid: int
    gid: int
    uname: bytes
    gname: bytes
    mtime: float
    link: bytes
    device: tuple[int, int]
    pax: Mapping[bytes, bytes]


def entry_at(index: int, name: bytes) -> str:
    """How a finding names an entry: its number, from 1, and its name."""
    text = name.decode("utf-8", "backslashreplace")
    return f"entry {index + 1} {ascii(text) if len(text) <= 100 else ascii(text[:99]) + '…'}"


class TarScanner:
    """Iterates over the entries of the archive in `source`, calling `report` for every fault.

    Iteration ends after the last entry, or early where a fault makes the rest unreadable. Between
    two steps `data()` gives the data of the entry at hand; what is not taken is skipped.
    """

    def __init__(self, source: Source, report: Report) -> None:
        self._source = source
        self._report = report
        self._offset = 0
        self._index = 0
        self._left = 0  # bytes of the current entry's data not taken yet
        self._padding = 0

    def __iter__(self) -> Iterator[Entry]:
        at = "the start"
        try:
            while True:
                self._pass_data(at)
                entry = self._next()
                if entry is None:
                    return
                at = entry_at(entry.index, entry.name)
                yield entry
        except Fault as fault:
            self._report(fault.rule, fault.at or at, fault.what)

    def data(self) -> Iterator[bytes | memoryview]:
        """The data of the current entry, in pieces of at most about 1 MiB. Take it once."""
        left = self._left
        for piece in self._source.chunks(left):
            left -= len(piece)
            self._left = left
            self._offset += len(piece)
            yield piece

    def _pass_data(self, at: str) -> None:
        count = self._left + self._padding
        skipped = self._source.skip(count) if count else 0
        if skipped < count:
            raise Fault("tar-truncated", f"the data ends {count - skipped} bytes too early", at=at)
        self._offset += count
        self._left = self._padding = 0

    def _block(self) -> bytes:
        block = self._source.read(BLOCK)
        self._offset += len(block)
        return block

    def _next(self) -> Entry | None:
        extended: dict[bytes, bytes] = {}
        gnu: dict[str, bytes] = {}
        at = f"entry {self._index + 1}"
        extensions: set[str] = set()
        while True:
            block = self._block()
            if not block and not extensions:
                raise Fault("tar-end", "the archive just stops", at="the end")
            if len(block) < BLOCK:
                raise Fault("tar-truncated", f"a header of {len(block)} bytes", at=at)
            if block == _ZERO_BLOCK:
                if extensions:
                    raise Fault("tar-pax", "an extended header extends nothing", at=at)
                self._finish()
                return None
            header = parse_header(block, at=at)
            for what in header.faults:
                self._report("tar-header", entry_at(self._index, header.name), what)
            if header.type not in "xgLKX":
                break
            if header.type == "X":
                raise Fault("tar-pax", "an extended header of Solaris: few readers know it", at=at)
            if header.type in extensions and header.type != "g":
                raise Fault("tar-pax", "two extended headers for one entry", at=at)
            if header.type == "g" and extensions - {"g"}:
                raise Fault("tar-pax", "a global header parts an entry from its own", at=at)
            extensions.add(header.type)
            data = self._extension(header, at)
            if header.type in "LK":
                text = data.rstrip(b"\0")
                if b"\0" in text:
                    raise Fault("tar-pax", "a long name of GNU tar holds a NUL", at=at)
                gnu["name" if header.type == "L" else "link"] = text
            elif header.type == "g":
                _check_global(parse_pax(data, at=at), at)
            else:
                extended |= parse_pax(data, at=at)
        return self._entry(header, extended, gnu)

    def _extension(self, header: Header, at: str) -> bytes:
        if header.size > _MAX_EXTENSION:
            raise Fault("tar-pax", f"an extended header of {header.size} bytes", at=at)
        padded = -(-header.size // BLOCK) * BLOCK
        data = self._source.read(padded)
        self._offset += len(data)
        if len(data) < padded:
            raise Fault("tar-truncated", "an extended header is cut off", at=at)
        return data[: header.size]

    def _entry(self, header: Header, pax: dict[bytes, bytes], gnu: dict[str, bytes]) -> Entry:
        at = entry_at(self._index, pax.get(b"path", gnu.get("name", header.name)))
        name = self._one_of(header.name, pax, b"path", gnu.get("name"), at)
        link = self._one_of(header.link, pax, b"linkpath", gnu.get("link"), at)
        sparse = header.type == "S" or any(key.startswith(b"GNU.sparse.") for key in pax)
        if b"GNU.sparse.name" in pax:
            known = not _SPARSE.isdisjoint(pax)
            name = sparse_name(pax[b"GNU.sparse.name"], name if known else b"", at=at)
        if len(name) > _MAX_NAME or len(link) > _MAX_NAME:
            raise Fault("limit-name", f"a name of {max(len(name), len(link))} bytes", at=at)
        size = self._size(header, pax, at)
        kind = header.type
        if kind == "0":
            slash = name.endswith(b"/")
            # The mark of a directory before there was a type for it: not every reader looks for it
            # where the type says file, nor in extended headers.
            if slash if header.plain else slash != header.name.endswith(b"/"):
                self._report("tar-field", at, "a file's name ends in a slash, a directory's mark")
            kind = "5" if slash else kind
        if sparse:
            self._report("tar-sparse", at, "a sparse file")
            self._pass_sparse_map(header, at)
        if kind in _WITHOUT_DATA and size:
            raise Fault("tar-link-size", f"type {kind} and {size} bytes of data", at=at)
        if kind not in _REGULAR and kind not in _WITHOUT_DATA:
            self._report("tar-type", at, f"the type is {kind!a}")
        uid = number(pax, b"uid", header.uid, self._report, at)
        gid = number(pax, b"gid", header.gid, self._report, at)
        if not (0 <= uid <= _MAX_ID and 0 <= gid <= _MAX_ID):
            self._report("tar-field", at, f"the owner is {uid}:{gid}")
        mtime = seconds(pax, b"mtime", header.mtime, self._report, at)
        if pax:
            # Not kept, but Go's reader refuses an archive in which they are malformed.
            seconds(pax, b"atime", 0, self._report, at)
            seconds(pax, b"ctime", 0, self._report, at)
        if not -_MAX_MTIME <= mtime <= _MAX_MTIME:
            self._report("tar-field", at, f"mtime is {mtime:.0f}")
        self._left = size
        self._padding = -size % BLOCK
        entry = Entry(
            self._index,
            self._offset,
            name,
            "0" if kind in _REGULAR else kind,
            size,
            header.mode,
            uid,
            gid,
            pax.get(b"uname", header.uname),
            pax.get(b"gname", header.gname),
            mtime,
            link,
            header.device,
            pax,
        )
        self._index += 1
        return entry

    def _one_of(
        self, plain: bytes, pax: Mapping[bytes, bytes], key: bytes, gnu: bytes | None, at: str
    ) -> bytes:
        """A name from the header and its extensions, which have to agree."""
        value = pax.get(key)
        if value is None:
            return plain if gnu is None else gnu
        if gnu is not None and gnu != value:
            raise Fault(
                "tar-pax", f"PAX and GNU extensions give two values of {key.decode()}", at=at
            )
        return value

    def _size(self, header: Header, pax: Mapping[bytes, bytes], at: str) -> int:
        if b"size" not in pax:
            return header.size
        size = number(pax, b"size", -1, self._report, at)
        if size < 0:
            raise Fault("tar-pax", f"the PAX size is {pax[b'size'][:40]!a}", at=at)
        # A size too large for the header is left at zero there, or at the largest that fits.
        overflow = size > _MAX_USTAR_SIZE and header.size in (0, _MAX_USTAR_SIZE)
        if size != header.size and not overflow:
            raise Fault(
                "tar-size-disagreement", f"PAX says {size}, the header {header.size}", at=at
            )
        return size

    def _pass_sparse_map(self, header: Header, at: str) -> None:
        """Old GNU sparse files have more of their map in blocks after the header."""
        more = header.sparse_continues
        while more:
            block = self._block()
            if len(block) < BLOCK:
                raise Fault("tar-truncated", "a sparse map is cut off", at=at)
            more = block[504] == 1

    def _finish(self) -> None:
        """After a first zero block: a second one, then nothing but zeros."""
        block = self._block()
        if len(block) < BLOCK:
            raise Fault("tar-end", "one zero block instead of two", at="the end")
        if block != _ZERO_BLOCK:
            raise Fault("tar-trailing-data", "a header follows a lone zero block", at="the end")
        rest = True
        while rest:
            rest = False
            for piece in self._source.chunks(CHUNK):
                rest = True
                data = bytes(piece)
                if data.count(0) != len(data):
                    what = f"more than zeros after byte {self._offset}"
                    raise Fault("tar-trailing-data", what, at="the end")
                self._offset += len(data)


def scan_stream(stream: BinaryIO, report: Report) -> TarScanner:
    """A scanner of the archive in `stream`, which is compressed as its first bytes say."""
    return TarScanner(StreamSource(uncompressed(stream)), report)


def _check_global(records: Mapping[bytes, bytes], at: str) -> None:
    """Raises Fault for what would hold for every entry that follows: Go's reader ignores it."""
    keys = sorted(key for key in records if key in _OF_ENTRIES or key.startswith(_PREFIXES))
    if keys:
        names = ", ".join(key.decode("utf-8", "backslashreplace") for key in keys)
        raise Fault("tar-pax", f"a global header sets {names:.100} for every entry", at=at)
