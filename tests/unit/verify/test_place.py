"""What a user names by mistake is said to be no image, in a line or two."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from lading.commands import inspect, verify
from lading.errors import InputError, NotFoundError, UsageError
from lading.store import layouts
from lading.verify.place import Options, verify_archive, verify_directory
from tests.unit.store import tiny


def test_a_directory_that_is_no_layout_is_not_searched(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(NotFoundError, match="is no OCI image layout: it has neither oci-layout"):
        verify_directory(tmp_path, Options())


def test_a_file_that_is_no_tar_is_one_finding(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("these are notes, and no archive\n" * 100)
    [finding] = verify_archive(path, Options()).findings
    assert finding.rule == "tar-header"
    assert "the checksum of this header is no number" in finding.what


def test_a_compressed_archive_is_said_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "image.tar.gz"
    path.write_bytes(gzip.compress(b"x" * 1024))
    with pytest.raises(InputError, match="is compressed as a whole"):
        verify_archive(path, Options())


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    content = tiny.MemoryContent()
    root = tiny.image(content, [tiny.layer({"a": b"a"})])
    layouts.write(tmp_path / "layout", root, content, ["v1"])
    return tmp_path / "layout"


@pytest.mark.parametrize("form", ["oci:{}:v1", "oci:{}", "{}"])
def test_what_a_push_prints_can_be_verified(layout: Path, form: str) -> None:
    assert verify.main([form.format(layout)]) == 0


def test_a_tag_that_is_not_there_is_named(layout: Path) -> None:
    for command in (verify, inspect):
        with pytest.raises(NotFoundError, match="has no tag 'v2'") as caught:
            command.main([f"oci:{layout}:v2"])
        assert caught.value.fix == "it has v1"
    with pytest.raises(UsageError, match="are two images"):
        verify.main([f"oci:{layout}:v1", "--tag=v2"])
