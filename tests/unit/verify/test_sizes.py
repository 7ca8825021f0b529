"""Where bytes go, and what differs between two images."""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lading.commands import diff, inspect
from lading.errors import ConflictError, NotFoundError, UsageError
from lading.oci import media_types
from lading.oci.digest import Digest
from lading.store import layouts
from tests.unit.store import tiny
from tests.unit.verify.seeds import member, tar_of

Member = tuple[tarfile.TarInfo, bytes]


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


def _of_members(directory: Path, *layers: list[Member]) -> str:
    """A layout whose layers have entries of every kind."""
    content = tiny.MemoryContent()
    tars = [tar_of(*members) for members in layers]
    made = [
        tiny.Layer(media_types.LAYER_GZIP, gzip.compress(tar), Digest.of(tar), {}) for tar in tars
    ]
    layouts.write(directory, tiny.image(content, made), content, ["v1"])
    return f"oci:{directory}:v1"


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


def test_a_file_of_two_names_is_one_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = [
        member("a", b"x" * 900),
        member("b", type=tarfile.LNKTYPE, linkname="a"),
        member("c", b"y" * 800),
    ]
    second = [member(".wh.a"), member("d", b"x" * 900)]
    value = _inspect(capsys, _of_members(tmp_path / "a", first, second))
    assert [one["path"] for one in value["biggest"]] == ["/b", "/d", "/c"]
    assert value["copies"] == [{"size": 900, "paths": ["/b", "/d"]}]
    assert [layer["hidden"] for layer in value["layers"]] == [0, 0]
    assert [layer["uncompressed"] for layer in value["layers"]] == [1700, 900]
    one_layer = _inspect(capsys, _of_members(tmp_path / "b", first))
    assert [one["path"] for one in one_layer["biggest"]] == ["/a", "/c"]
    assert one_layer["copies"] == []


def test_what_an_opaque_directory_hides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = [member("d/a", b"x" * 100), member("d/b/c", b"y" * 50), member("e", b"z" * 10)]
    second = [member("d/.wh..wh..opq"), member("d/b/c", b"y" * 50)]
    value = _inspect(capsys, _of_members(tmp_path / "a", first, second, [member(".wh.d")]))
    assert [layer["hidden"] for layer in value["layers"]] == [150, 50, 0]
    assert [one["path"] for one in value["biggest"]] == ["/e"]
    assert value["wasted"] == 200


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


def test_what_differs_beside_content(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capability = {"SCHILY.xattr.security.capability": "\x01", "SCHILY.xattr.user.a": "b"}
    old = [
        member("attributes", pax_headers={"SCHILY.xattr.user.a": "b"}),
        member("device", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("link", type=tarfile.SYMTYPE, linkname="a"),
        member("mode", mode=0o644),
        member("owner", uid=1),
        member("type"),
        member("time", mtime=1),
    ]
    new = [
        member("attributes", pax_headers=capability),
        member("device", type=tarfile.CHRTYPE, devmajor=1, devminor=5),
        member("link", type=tarfile.SYMTYPE, linkname="b"),
        member("mode", mode=0o4755),
        member("owner", gid=2),
        member("type", type=tarfile.DIRTYPE),
        member("time", mtime=2),
    ]
    names = [_of_members(tmp_path / str(number), one) for number, one in enumerate((old, new))]
    code, value = _diff(capsys, *names)
    assert code == 1
    assert {one["path"]: one["what"] for one in value["files"]} == {
        "/attributes": ["attribute security.capability"],
        "/device": ["device 1:3 → 1:5"],
        "/link": ["link a → b"],
        "/mode": ["mode 0644 → 4755"],
        "/owner": ["owner 1:0 → 0:2"],
        "/type": ["type 0 → 5"],
    }


def test_ports_are_escaped_in_pointers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = _layout(tmp_path / "a", {"x": b""}, config={"ExposedPorts": {"80/tcp": {}}})
    new = _layout(tmp_path / "b", {"x": b""}, config={"Labels": {"a~b": "c"}})
    value = _diff(capsys, old, new)[1]
    assert [one["at"] for one in value["config"]] == ["/config/ExposedPorts", "/config/Labels"]
    new = _layout(tmp_path / "c", {"x": b""}, config={"ExposedPorts": {"~/x": {}}})
    value = _diff(capsys, old, new)[1]
    assert [one["at"] for one in value["config"]] == [
        "/config/ExposedPorts/80~1tcp",
        "/config/ExposedPorts/~0~1x",
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
