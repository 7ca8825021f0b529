"""The ways in which an archive is damaged, each with the words it is refused with (S1.2)."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

__all__ = ["DAMAGES", "rewrite"]


def rewrite(path: Path, change: Callable[[tarfile.TarInfo, bytes], bytes | None]) -> None:
    """Writes the archive again, each file as `change` returns it, without those that are None."""
    out = io.BytesIO()
    with tarfile.open(path) as old, tarfile.open(fileobj=out, mode="w") as new:
        for info in old:
            stream = old.extractfile(info)
            data = change(info, stream.read() if stream else b"")
            if data is not None:
                info.size = len(data) if info.isreg() else 0
                new.addfile(info, io.BytesIO(data) if info.isreg() else None)
    path.write_bytes(out.getvalue())


def _damage_layer(path: Path) -> None:
    rewrite(
        path,
        lambda info, data: b"y" * len(data) if info.isreg() and len(data) > 4000 else data,
    )


def _drop_layer(path: Path) -> None:
    rewrite(path, lambda info, data: None if len(data) > 4000 else data)


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _foreign(path: Path) -> None:
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo("etc/passwd"))


def _trailing(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more" * 128)


def _twice(path: Path) -> None:
    """A second manifest.json: what one reader takes is not what another takes."""
    with tarfile.open(path, "a") as tar:
        info = tarfile.TarInfo("manifest.json")
        info.size = 2
        tar.addfile(info, io.BytesIO(b"[]"))


def _two_images(path: Path) -> None:
    def repeat(info: tarfile.TarInfo, data: bytes) -> bytes:
        if info.name != "index.json":
            return data
        index = json.loads(data)
        other = {**index["manifests"][0], "digest": "sha256:" + "0" * 64}
        index["manifests"].append(other)
        return json.dumps(index).encode()

    rewrite(path, repeat)


def _two_views(path: Path) -> None:
    """docker would take another config than who reads the layout."""

    def change(info: tarfile.TarInfo, data: bytes) -> bytes:
        if info.name != "manifest.json":
            return data
        [entry] = json.loads(data)
        return json.dumps([{**entry, "Config": "index.json"}]).encode()

    rewrite(path, change)


def _changed_config(path: Path) -> None:
    rewrite(
        path, lambda info, data: data.replace(b"amd64", b"arm64") if b"rootfs" in data else data
    )


def _escaping(path: Path) -> None:
    with tarfile.open(path, "a") as tar:
        tar.addfile(tarfile.TarInfo("../../etc/passwd"))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "cut in a file": (lambda path: os.truncate(path, 2000), "is truncated"),
    "cut in the middle": (
        lambda path: os.truncate(path, path.stat().st_size // 2 // 512 * 512),
        "is truncated",
    ),
    "cut at the end": (lambda path: os.truncate(path, path.stat().st_size - 1024), "is truncated"),
    "no tar": (lambda path: path.write_bytes(b"hello" * 500), "is not a tar archive"),
    "compressed": (
        lambda path: path.write_bytes(gzip.compress(path.read_bytes())),
        "is compressed as a whole",
    ),
    "no image": (_foreign, "is a tar, but no image"),
    "a damaged layer": (_damage_layer, "is corrupt"),
    "a missing layer": (_drop_layer, "is incomplete"),
    "a changed config": (_changed_config, "does not match its digest and size"),
    "two images": (_two_images, "holds 2 images"),
    "two views": (_two_views, "are about different images"),
    "a file twice": (_twice, "is ambiguous"),
    "something behind its end": (_trailing, "more than zeros after"),
    "a name that leaves": (_escaping, "leaves the archive"),
    "a directory": (_directory, "is not a regular file"),
}
