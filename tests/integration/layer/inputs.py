"""A small file system with everything that a layer can hold, the same on every machine."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

__all__ = ["generate", "noise", "prose"]

# cap_net_bind_service=ep, as the kernel stores it (linux/capability.h, struct vfs_cap_data).
_CAPABILITY = "SCHILY.xattr.security.capability"
_NET_BIND = "\1\0\0\2\0\4" + "\0" * 14

_WORDS = (
    b"layer frame digest blob tar gzip zstd index config manifest image the of a and to".split()
)


def noise(seed: str, size: int) -> bytes:
    """`size` bytes that do not compress: sha256 in counter mode."""
    blocks = -(-size // 32)
    key = seed.encode()
    return b"".join(
        hashlib.sha256(key + number.to_bytes(8, "big")).digest() for number in range(blocks)
    )[:size]


def prose(seed: str, size: int) -> bytes:
    """`size` bytes that compress as text does."""
    words = b" ".join(_WORDS[byte % len(_WORDS)] for byte in noise(seed, size // 3))
    return (words + b"\n" * size)[:size]


def generate(root: Path) -> list[str]:
    """Writes the files below `root`.

    Returns:
        The sources of the layer, as lines for the layer action, with paths relative to `root`.
        About 13 MB: some frames of every compression.
    """
    files = {
        "bin/tool": noise("tool", 1_600_000),
        "share/book": prose("book", 5_300_000),
        "share/zeros": bytes(2_000_000),
        "share/empty": b"",
        "share/one": b"1",
        "share/block": prose("block", 512),
        "copies/book": prose("book", 5_300_000),
        "copies/one": b"1",
        "tree/data/file": prose("file", 70_000),
        "tree/data/same": prose("file", 70_000),
        "tree/na\u00efve \u65e5\u672c.txt": b"unicode\n",
        f"tree/{'long-' * 30}/{'name-' * 30}": b"long\n",
        "secret": b"secret\n",
    }
    files |= {
        f"many/{number % 17:02}/{number:04}.txt": prose(str(number), 200 + 37 * (number % 211))
        for number in range(900)
    }
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (root / "tree/nothing/inner").mkdir(parents=True)
    (root / "tree/link").symlink_to("data/file")
    (root / "tree/dangling").symlink_to("no/where")
    (root / "tree/directory").symlink_to("data")
    places = {
        "/usr/bin/tool": {"mode": "0755", "pax_records": {_CAPABILITY: _NET_BIND}},
        "/usr/bin/setuid": {"mode": "4755"},
        "/etc/secret": {"mode": "0400", "uid": 1000, "gid": 1000},
        "/etc/owned": {"uid": 3_000_000, "gid": 3_000_001, "mtime": "2024-02-29T12:00:00Z"},
        "/srv/share/one": {"pax_records": {"SCHILY.xattr.user.lading": "a value"}},
    }
    return [
        "F\t/usr/bin/tool\tbin/tool",
        "F\t/usr/bin/setuid\tsecret",
        "F\t/etc/secret\tsecret",
        "F\t/etc/owned\tsecret",
        "T\t/srv/share\tshare",
        "T\t/srv/copies\tcopies",
        "F\t/opt/tree\ttree",
        *(f"F\t/{name}\t{name}" for name in files if name.startswith("many/")),
        "L\t/usr/bin/alias\ttool",
        f"L\t/usr/bin/far\t/{'far/' * 40}away",
        "D\t/var/empty",
        "D\t/tmp",
        "E\t/etc/nothing",
        *(f"M\t{path}\t{json.dumps(metadata)}" for path, metadata in places.items()),
    ]


def touch(root: Path, seconds: int) -> None:
    """Sets the times of every file below `root`."""
    for directory, names, files in os.walk(root):
        for name in [*names, *files]:
            os.utime(os.path.join(directory, name), (seconds, seconds), follow_symlinks=False)
