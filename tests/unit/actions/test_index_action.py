"""The ImageIndex action."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from lading.errors import InputError, UsageError
from lading.oci import media_types
from tests.unit.actions.bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    for architecture, variant in [("arm64", "v8"), ("amd64", "")]:
        platform = {"os": "linux", "architecture": architecture, "variant": variant}
        bench.manifest(architecture, {"platform": platform})
    return bench


def test_images_are_listed_with_their_platforms_in_order(bench: Bench) -> None:
    value = bench.index("all", ["arm64", "amd64"])
    assert [item["platform"] for item in value["manifests"]] == [
        {"architecture": "arm64", "os": "linux", "variant": "v8"},
        {"architecture": "amd64", "os": "linux"},
    ]
    data = (bench.directory / "all.index.json").read_bytes()
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    assert (bench.directory / "all.digest").read_text() == digest
    assert bench.json("all.descriptor.json") == {
        "mediaType": media_types.INDEX,
        "digest": digest,
        "size": len(data),
    }


def test_annotations_come_from_flags_files_and_templates(bench: Bench) -> None:
    value = bench.index(
        "all",
        ["amd64"],
        "--annotation=b={{.STABLE_V}}=x",
        "--annotation=a={{.stage}}",
        bench.flag("annotations_file", "a=file\nc=file"),
        '--build_settings={"stage": "dev"}',
        bench.flag("status_file", "STABLE_V 1"),
    )
    assert list(value["annotations"].items()) == [("a", "file"), ("b", "1=x"), ("c", "file")]


def test_a_subject(bench: Bench) -> None:
    subject = f"--subject={bench.directory / 'arm64.descriptor.json'}"
    value = bench.index("all", ["amd64"], subject)
    assert value["subject"]["digest"] == (bench.directory / "arm64.digest").read_text()
    assert set(value["subject"]) == {"mediaType", "digest", "size"}


def test_two_images_for_one_platform_are_refused(bench: Bench) -> None:
    bench.manifest("other", {"user": "1"})
    with pytest.raises(InputError, match="//app:index") as caught:
        bench.index("all", ["amd64", "other"], "--label=//app:index")
    assert "linux/amd64" in str(caught.value)
    assert not (bench.directory / "all.index.json").exists()


def test_no_image_at_all_is_refused(bench: Bench) -> None:
    with pytest.raises(InputError, match="lists no image"):
        bench.index("all", [])


def test_an_annotation_without_value_is_refused(bench: Bench) -> None:
    with pytest.raises(UsageError, match="NAME=VALUE"):
        bench.index("all", ["amd64"], "--annotation=x")
