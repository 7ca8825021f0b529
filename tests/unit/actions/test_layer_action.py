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
