"""A name beginning with `.wh.` hides another (image-spec 1.1, layer.md), and is only for that."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from lading.errors import InputError
from lading.scan.rules import LayerRules
from lading.scan.tar import scan_stream
from tests.unit.layer.bench import build, put

WRONG = {
    "a file with content": "F\t/a/.wh.b\t{}/content",
    "content of an archive": "A\t/\t{}/archive.tar",
    "a directory": "D\t/a/.wh.b",
    "a link": "L\t/a/.wh.b\tb",
    "a directory of a tree": "T\t/a\t{}/tree",
    "a file below one": "E\t/.wh.a/b",
    "one that hides nothing": "E\t/a/.wh.",
    "one that hides its directory": "E\t/a/.wh..",
    "one that hides its parent": "E\t/a/.wh...",
    "one that hides a whiteout": "E\t/a/.wh..wh.b",
}
RIGHT = ["E\t/a/.wh.b", "E\t/a/.wh..wh..opq", "F\t/a/.wh.b\t{}/empty", "E\t/.wh..b", "E\t/a.wh./b"]


def _sources(directory: Path) -> None:
    put(directory, {"content": b"x", "empty": b"", "tree/.wh.d/x": b"x"})
    with tarfile.open(directory / "archive.tar", "w") as archive:
        info = tarfile.TarInfo("a/.wh.b")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))


@pytest.mark.parametrize("kind", WRONG)
def test_what_engines_would_not_unpack_is_refused(out: Path, tmp_path: Path, kind: str) -> None:
    _sources(tmp_path)
    with pytest.raises(InputError, match="whiteout") as caught:
        build(out, ["E\t/ok", WRONG[kind].format(tmp_path)])
    assert len(str(caught.value).splitlines()) <= 2
    assert "/" in str(caught.value)


@pytest.mark.parametrize("line", RIGHT)
def test_whiteouts_are_entries_like_others(tmp_path: Path, line: str) -> None:
    _sources(tmp_path)
    found: list[str] = []

    def report(rule: str, at: str, what: str) -> None:
        found.append(rule)

    rules = LayerRules(report)
    for entry in scan_stream(io.BytesIO(build(tmp_path, [line.format(tmp_path)]).tar), report):
        rules.check(entry)
    assert found == []
