"""The LayerTar action's command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lading.actions import layer, worker
from lading.errors import InputError, UsageError


def _run(directory: Path, *arguments: str) -> dict[str, object]:
    outputs = [f"--output={directory / 'layer'}", f"--metadata={directory / 'metadata'}"]
    layer.run(worker.Request([*outputs, *arguments]))
    value: dict[str, object] = json.loads((directory / "metadata").read_bytes())
    return value


def test_an_annotation_may_be_any_text_and_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text('{"a": "of the file", "b": "2", "c": ["1", "3"]}')
    text = json.dumps({"a": "two\nlines = here", "d": "tab\there", "e": "ü"})
    metadata = _run(
        tmp_path, f"--annotations={text}", f"--annotations_file={tmp_path / 'file'}", "E\t/x"
    )
    assert metadata["annotations"] == {
        "a": "two\nlines = here",
        "b": "2",
        "c": "3",
        "d": "tab\there",
        "e": "ü",
    }


@pytest.mark.parametrize("text", ["x", "[]x", '{"a":1}', '{"a":"1","a":"2"}', '{"":"x"}'])
def test_a_malformed_annotation_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="--annotations"):
        _run(tmp_path, f"--annotations={text}", "E\t/x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "flag",
    [
        "--unknown=1",
        "--output",
        "--level=x",
        "--level=99999",
        "--compression=lzma",
        "--profile=big",
    ],
)
def test_a_flag_that_is_not_known_is_refused(tmp_path: Path, flag: str) -> None:
    with pytest.raises(UsageError):
        _run(tmp_path, flag, "E\t/x")
    assert list(tmp_path.iterdir()) == []


def test_a_flag_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="given twice"):
        _run(tmp_path, "--level=1", "--level=2", "E\t/x")


def test_the_format_adds_its_annotations(tmp_path: Path) -> None:
    metadata = _run(tmp_path, "--estargz=1", '--annotations={"a":"1"}', "E\t/x")
    annotations = metadata["annotations"]
    assert isinstance(annotations, dict)
    assert sorted(annotations) == [
        "a",
        "containerd.io/snapshot/stargz/toc.digest",
        "io.containers.estargz.uncompressed-size",
    ]


def test_layer_for_soci_is_in_larger_members_and_has_a_ztoc(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"".join(b"%d\n" % number for number in range(1_000_000)))
    members = []
    for flags in ([], ["--soci=1"]):
        _run(tmp_path, *flags, f"F\t/file\t{tmp_path / 'file'}")
        members.append((tmp_path / "layer").read_bytes().count(b"\x1f\x8b\x08\0\0\0\0\0"))
    assert members[0] > 2 * members[1]

    outputs = [f"--output={tmp_path / 'ztoc'}", f"--metadata={tmp_path / 'descriptor'}"]
    inputs = [f"--ztoc_of={tmp_path / 'layer'}", f"--layer_metadata={tmp_path / 'metadata'}"]
    layer.run(worker.Request([*inputs, *outputs]))
    descriptor = json.loads((tmp_path / "descriptor").read_bytes())
    assert descriptor["size"] == (tmp_path / "ztoc").stat().st_size
    with pytest.raises(UsageError, match="--layer_metadata is missing"):
        layer.run(worker.Request([inputs[0], *outputs]))
