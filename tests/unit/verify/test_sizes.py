"""Where bytes go, and what differs between two images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lading.commands import diff, inspect
from lading.errors import ConflictError, NotFoundError, UsageError
from lading.store import layouts
from tests.unit.store import tiny


def _layout(
    directory: Path,
    *layers: Mapping[str, bytes],
    config: Mapping[str, Any] | None = None,
    tag: str = "v1",
) -> str:
    content = tiny.MemoryContent()
    root = tiny.image(content, [tiny.layer(files) for files in layers], config=config)
    layouts.write(directory, root, content, [tag])
    return f"oci:{directory}:{tag}"


def _inspect(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert inspect.main([*words, "--json"]) == 0
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    return value


def _diff(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = diff.main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_layers_files_copies_and_what_is_hidden(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = _layout(
        tmp_path / "a",
        {"big": b"b" * 3000, "gone": b"g" * 500, "one": b"same" * 100},
        {"big": b"c" * 2000, ".wh.gone": b"", "two": b"same" * 100},
    )
    value = _inspect(capsys, name)
    assert [layer["hidden"] for layer in value["layers"]] == [3500, 0]
    assert [layer["entries"] for layer in value["layers"]] == [3, 3]
    assert value["biggest"][0] == {"path": "/big", "size": 2000}
    assert value["copies"] == [{"size": 400, "paths": ["/one", "/two"]}]
    assert value["wasted"] == 3500 + 400


def test_names_of_files_move_no_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file may be called anything, an escape sequence of a terminal too, or no text at all."""
    files = {"\x1b[2Jx": b"x" * 100, "\x1b[2Jy": b"x" * 100, "z\udcff\u202e": b"x" * 100}
    old, new = _layout(tmp_path / "a", {}), _layout(tmp_path / "b", files)
    assert inspect.main([new]) == 0
    assert diff.main([old, new]) == 1
    out = capsys.readouterr().out
    assert r"/\x1b[2Jx" in out
    assert r"/z\udcff\u202e" in out
    assert "\x1b" not in out
    out.encode()


def test_people_see_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect.main([_layout(tmp_path / "a", {"x": b"x" * 100})]) == 0
    out = capsys.readouterr().out
    assert "100 B  /x" in out
    assert "wasted: 0 B" in out


def test_what_differs_between_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = _layout(tmp_path / "a", {"same": b"s", "old": b"o", "changed": b"1", "size": b"1"})
    new = _layout(tmp_path / "b", {"same": b"s", "new": b"nn", "changed": b"2", "size": b"12"})
    code, value = _diff(capsys, old, new)
    assert code == 1
    assert [(one["kind"], one["path"], one["bytes"]) for one in value["files"]] == [
        ("changed", "/changed", 0),
        ("added", "/new", 2),
        ("removed", "/old", -1),
        ("changed", "/size", 1),
    ]


def test_what_differs_in_the_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = _layout(tmp_path / "a", {"x": b""}, config={"Env": ["A=1"], "User": "1"})
    new = _layout(tmp_path / "b", {"x": b""}, config={"Env": ["A=2"], "Cmd": ["/x"]})
    code, value = _diff(capsys, old, new)
    assert code == 1
    assert value["config"] == [
        {"at": "/config/Cmd", "old": None, "new": ["/x"]},
        {"at": "/config/Env", "old": ["A=1"], "new": ["A=2"]},
        {"at": "/config/User", "old": "1", "new": None},
    ]
    assert value["layers"] == {"old": 1, "new": 1, "shared": 1}


def test_the_same_image_does_not_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = _layout(tmp_path / "a", {"x": b"x"})
    code, value = _diff(capsys, name, name)
    assert (code, value["files"], value["config"]) == (0, [], [])


def test_other_layers_with_the_same_files_do_not_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = _layout(tmp_path / "a", {"x": b"x", "y": b"y"})
    two = _layout(tmp_path / "b", {"x": b"x"}, {"y": b"y"})
    assert _diff(capsys, one, two)[0] == 0


@pytest.mark.parametrize(
    ("words", "error"),
    [([], UsageError), (["oci:/nowhere"], NotFoundError), (["/nowhere.tar"], NotFoundError)],
)
def test_mistakes_are_explained(words: list[str], error: type[Exception]) -> None:
    with pytest.raises(error):
        inspect.main(words)


def test_several_images_in_a_layout_need_a_tag(tmp_path: Path) -> None:
    _layout(tmp_path / "a", {"x": b"x"}, tag="v1")
    _layout(tmp_path / "a", {"y": b"y"}, tag="v2")
    with pytest.raises(ConflictError, match="v1, v2"):
        inspect.main([f"oci:{tmp_path / 'a'}"])
