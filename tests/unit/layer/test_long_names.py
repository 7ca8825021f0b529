"""Names that no file system holds are refused when a layer is built, not when it is unpacked."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from lading.errors import InputError
from tests.unit.layer.bench import build, put

#: Linux: NAME_MAX, and PATH_MAX without the NUL.
_NAME, _PATH = 255, 4095

TOO_LONG = {
    "a component": "d/" + "n" * (_NAME + 1) + "/x",
    "the last component": "d/" + "n" * (_NAME + 1),
    "one in UTF-8": "é" * 128,
    "one of few characters": "🚢" * 64,
    "a path": "/".join(["d" * 99] * 41)[: _PATH - 1] + "x",
}
JUST_RIGHT = {
    "a component": "d/" + "n" * _NAME + "/x",
    "one in UTF-8": "é" * 127 + "x",
    "one of few characters": "🚢" * 63 + "xyz",
    "a path": "/".join(["d" * 99] * 41)[: _PATH - 1],
}


@pytest.mark.parametrize("kind", ["F", "E", "D", "L", "T", "A"])
@pytest.mark.parametrize("name", TOO_LONG)
def test_a_name_that_is_too_long(out: Path, tmp_path: Path, kind: str, name: str) -> None:
    path = TOO_LONG[name]
    line = f"{kind}\t/{path}"
    source = ""
    if kind == "F":
        put(tmp_path, {"source": b"x"})
        source = f"{tmp_path}/source"
    elif kind == "L":
        source = "target"
    elif kind == "T":
        put(tmp_path, {"tree/leaf/x": b"x"})
        source = f"{tmp_path}/tree"
    elif kind == "A":
        source = str(tmp_path / "archive.tar")
        with tarfile.open(source, "w") as archive:
            archive.addfile(tarfile.TarInfo(path), io.BytesIO())
        line = "A\t/"
    with pytest.raises(InputError, match="longer than") as caught:
        build(out, [f"{line}\t{source}"])
    message = str(caught.value)
    assert len(message) < 700
    assert len(message.splitlines()) <= 2
    assert path[:40] in message
    if kind in "FTA":
        assert source in message


@pytest.mark.parametrize("name", JUST_RIGHT)
def test_a_name_that_is_just_short_enough(tmp_path: Path, name: str) -> None:
    path = JUST_RIGHT[name]
    assert path in build(tmp_path, [f"E\t/{path}"]).members()


def test_the_target_of_a_link(out: Path, tmp_path: Path) -> None:
    """It may be any text that is no longer than a path."""
    target = "n" * _PATH
    built = build(tmp_path, [f"L\t/link\t{target}"])
    assert built.members()["link"].linkname == target
    with pytest.raises(InputError, match="longer than"):
        build(out, [f"L\t/link\t{target}x"])


@pytest.mark.parametrize("estargz", [True, False])
def test_other_forms_of_layers(out: Path, tmp_path: Path, *, estargz: bool) -> None:
    lines = [f"E\t/{TOO_LONG['a component']}"]
    with pytest.raises(InputError, match="longer than"):
        build(out, lines, estargz=estargz)
    archive = tmp_path / "archive.tar"
    with tarfile.open(archive, "w") as tar:
        tar.addfile(tarfile.TarInfo(TOO_LONG["a component"]), io.BytesIO())
    with pytest.raises(InputError, match="tar-name-long"):
        build(out, [f"R\t/\t{archive}"])
