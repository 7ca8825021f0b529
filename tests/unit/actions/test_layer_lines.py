"""The command line of the LayerTar action."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from lading.actions import layer, worker
from lading.errors import InputError


def names(tmp_path: Path, *lines: str) -> list[str]:
    output = tmp_path / "layer.tar"
    layer.run(worker.Request([*lines, "--compression=none", f"--output={output}"]))
    with tarfile.open(output) as archive:
        return [member.name for member in archive if not member.isdir()]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("one", "two/three", "--four"):
        path = tmp_path / "src" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    return tmp_path / "src"


def test_short_lines_are_files_below_both_prefixes(tmp_path: Path, files: Path) -> None:
    short = [f"C\t/app/\t{files}/", "\tone", "\ttwo/three", "\t--four"]
    assert names(tmp_path, *short) == ["app/--four", "app/one", "app/two/three"]


def test_each_short_line_has_the_prefixes_before_it(tmp_path: Path, files: Path) -> None:
    lines = [
        f"C\t/a/\t{files}/",
        "\tone",
        f"F\t/whole\t{files}/one",
        f"C\t/b/\t{files}/two/",
        "\tthree",
    ]
    assert names(tmp_path, *lines) == ["a/one", "b/three", "whole"]


def test_a_line_with_one_prefix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a source"):
        names(tmp_path, "C\t/app/", "\tone")


def test_a_suffix_is_the_output_beside_the_metadata(tmp_path: Path) -> None:
    metadata = f"--metadata={tmp_path}/x.metadata.json"
    layer.run(worker.Request(["E\t/x", "--compression=none", "--output=.tar", metadata]))
    assert {path.name for path in tmp_path.iterdir()} == {"x.metadata.json", "x.tar"}
