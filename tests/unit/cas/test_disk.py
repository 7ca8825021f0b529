"""Bazel's disk cache as a place that content comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from lading.cas.disk import DiskCache
from lading.errors import NotFoundError
from lading.oci.descriptor import Descriptor

BLOB = Descriptor.of("application/octet-stream", b"content")


def _file(directory: Path) -> Path:
    path = directory / "cas" / BLOB.digest.hex[:2] / BLOB.digest.hex
    path.parent.mkdir(parents=True)
    return path


def test_blob_is_read_from_where_bazel_puts_it(tmp_path: Path) -> None:
    _file(tmp_path).write_bytes(b"content")
    with DiskCache(tmp_path).open(BLOB) as stream:
        assert stream.read() == b"content"


def test_missing_and_truncated_blobs_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=BLOB.digest.hex):
        DiskCache(tmp_path).open(BLOB)
    _file(tmp_path).write_bytes(b"conten")
    with pytest.raises(NotFoundError, match=BLOB.digest.hex):
        DiskCache(tmp_path).open(BLOB)
