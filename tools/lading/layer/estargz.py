"""eStargz, the format: the table of contents, the landmark and the footer.

An eStargz layer is an ordinary gzip layer in which every file is a gzip member of its own, and the
last entry says where each one begins, so that a snapshotter can start a container before the layer
is there. The specification: containerd/stargz-snapshotter, docs/estargz.md.
"""

from __future__ import annotations

import json

from lading.errors import InputError
from lading.layer.entries import DIRECTORY, FILE, LINK, SYMLINK, Entry, Meta

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "CHUNK",
    "SIZE_ANNOTATION",
    "TOC_ANNOTATION",
    "TOC_NAME",
    "Toc",
    "footer",
    "toc_entry",
    "with_landmark",
]

#: The table of contents is the entry of this name, the last one of the archive.
TOC_NAME = "stargz.index.json"
#: Says that there is nothing to fetch before the container starts ("Prioritized Files").
_LANDMARK = ".no.prefetch.landmark"
_LANDMARK_CONTENT = b"\x0f"
#: Annotations of the layer's descriptor: what a snapshotter checks the table by ("Content
#: Verification"), and what one that stores layers lazily reports as the layer's size.
TOC_ANNOTATION = "containerd.io/snapshot/stargz/toc.digest"
SIZE_ANNOTATION = "io.containers.estargz.uncompressed-size"
#: A larger file is several members, so that a part of it can be fetched; bytes.
CHUNK = 4 << 20

_TYPES = {DIRECTORY: "dir", FILE: "reg", LINK: "hardlink", SYMLINK: "symlink"}
_XATTR = "SCHILY.xattr."


def with_landmark(entries: Iterable[Entry]) -> list[Entry]:
    """The entries of a layer with the landmark before them.

    Raises:
        InputError: one of them has a name that means something else in an eStargz layer.
    """
    listed = list(entries)
    for entry in listed:
        if entry.path in (TOC_NAME, _LANDMARK, ".prefetch.landmark"):
            raise InputError(
                f"/{entry.path} from {entry.describe()} is a name that eStargz needs for itself",
                fix='put it elsewhere, or set estargz = "disabled"',
            )
    landmark = Entry(_LANDMARK, FILE, Meta(0o644), _LANDMARK_CONTENT, size=1, origin="eStargz")
    return [landmark, *listed]


def toc_entry(entry: Entry, size: int, link: str = "") -> dict[str, object]:
    """The TOCEntry of `entry`, without what is known only once it is compressed.

    Args:
        entry: as it goes into the archive.
        size: bytes of a FILE's content.
        link: path of the entry whose content a FILE shares; makes it a hard link.
    """
    meta = entry.meta
    kind = LINK if link else entry.kind
    value: dict[str, object] = {
        "name": entry.path + "/" if kind == DIRECTORY else entry.path,
        "type": _TYPES[kind],
    }
    if kind == FILE and size:
        value["size"] = size
    # Optional for the epoch, but podman takes the time of its pull where there is none.
    value["modtime"] = _rfc3339(meta.mtime)
    if kind in (LINK, SYMLINK):
        value["linkName"] = link or entry.link
    value |= {"mode": meta.mode, "uid": meta.uid, "gid": meta.gid}
    if meta.uname:
        value["userName"] = meta.uname
    if meta.gname:
        value["groupName"] = meta.gname
    xattrs = {key.removeprefix(_XATTR): text for key, text in meta.pax if key.startswith(_XATTR)}
    if xattrs:
        value["xattrs"] = {key: _base64(text) for key, text in xattrs.items()}
    return value


def _rfc3339(seconds: int) -> str:
    if not seconds:
        return "1970-01-01T00:00:00Z"
    from datetime import UTC, datetime, timedelta

    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        raise InputError(
            f"the mtime {seconds} is beyond the year 9999, which eStargz cannot say",
            fix="choose an earlier one",
        ) from None
    return f"{moment.year:04}{moment:-%m-%dT%H:%M:%SZ}"


def _base64(text: str) -> str:
    from binascii import b2a_base64

    return b2a_base64(text.encode("utf-8", "surrogateescape"), newline=False).decode()


class Toc:
    """The table of contents: a TOCEntry for each entry, and for each further chunk of a file.

    Kept as text, which takes a fifth of the memory that the objects would.
    """

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: list[bytes] = []

    def add(self, value: dict[str, object]) -> None:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        self._entries.append(text.encode("utf-8", "surrogateescape"))

    def dumps(self) -> bytes:
        """The JSON document; equal entries give equal bytes."""
        return b'{"version":1,"entries":[\n' + b",\n".join(self._entries) + b"\n]}\n"


def footer(toc_offset: int) -> bytes:
    """The empty gzip member at the end of the blob that says where the table begins."""
    field = b"%016xSTARGZ" % toc_offset
    return b"".join((
        b"\x1f\x8b\x08\x04" + bytes(4) + b"\x00\xff",  # RFC 1952: deflate, FEXTRA, no time, OS 255
        (4 + len(field)).to_bytes(2, "little"),
        b"SG" + len(field).to_bytes(2, "little") + field,
        b"\x01\x00\x00\xff\xff",  # RFC 1951: the last block, stored, of no bytes
        bytes(8),  # CRC-32 and size of nothing
    ))  # fmt: skip
