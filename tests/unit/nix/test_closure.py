"""Closures as Nix describes them (S2.3); `recorded` is what nix 2.34.8 printed and exported."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lading.errors import CorruptError, InputError, LadingError, NotFoundError
from lading.nix import closure, export

_RECORDED = Path(__file__).parent / "recorded"
_APP = "94vpwyny0s0qglqq252g14ijyvy1nrjy-app-1"
_LIB = "gvx13ypr59cb6zfbkyca0hr2ckn7ka15-lib-1"
_CONFIG = "spmv8gzvy2yy8xg5gyr501rz8yp38c8w-config.txt"


def recorded(number: int = 1) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((_RECORDED / f"path_info_{number}.json").read_bytes())
    return value


def loads(value: Any) -> closure.Closure:
    return closure.loads(json.dumps(value).encode(), what="graph.json")


def as_list(value: dict[str, Any]) -> list[dict[str, Any]]:
    """The form before Nix 2.19, which cannot be run here: an imitation."""
    return [{"path": path, "valid": True, **item} for path, item in value.items()]


def test_every_form_of_path_info_and_the_export_say_the_same() -> None:
    expected = loads(recorded())
    assert sorted(expected.paths) == [_APP, _LIB, _CONFIG]
    assert expected.paths[_APP] == closure.StorePath(
        _APP, "30b1b1f86effd43561a252fceec39c103843950e4628ef235c7799a50a8bb05f", 856,
        (_LIB, _CONFIG),
    )  # fmt: skip
    assert loads(recorded(2)) == expected
    assert loads(as_list(recorded())) == expected
    assert export.split(_RECORDED / "app.export", None, what="app.export") == expected


def test_hashes_are_read_in_all_spellings() -> None:
    value = recorded()
    app = value[f"/nix/store/{_APP}"]
    expected = loads(value)
    for spelling in (
        # nix-hash --to-base32
        "sha256:0pxhic5ab6bpbhiyya261sal6f0hkk1yxz2jl9hkbm7zdvwb3c9h",
        "sha256:30b1b1f86effd43561a252fceec39c103843950e4628ef235c7799a50a8bb05f",
        {"algorithm": "sha256", "format": "base64", "hash": app["narHash"][7:]},
    ):
        app["narHash"] = spelling
        assert loads(value) == expected


def test_an_export_becomes_an_archive_for_each_object(tmp_path: Path) -> None:
    found = export.split(_RECORDED / "app.export", tmp_path, what="app.export")
    assert {path.name for path in tmp_path.iterdir()} == {f"{base}.nar" for base in found.paths}
    for base, path in found.paths.items():
        assert (tmp_path / f"{base}.nar").stat().st_size == path.nar_size


def test_roots_are_what_nothing_refers_to() -> None:
    assert closure.roots(loads(recorded())) == [_APP]


@pytest.mark.parametrize("text", [f"/nix/store/{_LIB}", _LIB, "lib-1", "lib"])
def test_an_object_is_meant_by_path_base_name_or_name(text: str) -> None:
    assert closure.resolve(loads(recorded()), text, what="images") == _LIB


def test_an_unknown_root_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(NotFoundError, match=r"images: 'libx' is not in the closure\n.*app-1"):
        closure.resolve(loads(recorded()), "libx", what="images")


def test_a_name_of_two_objects_is_refused_with_their_paths() -> None:
    value = recorded()
    value[f"/nix/store/{'a' * 32}-lib-1"] = {**value[f"/nix/store/{_LIB}"], "references": []}
    with pytest.raises(InputError, match=rf"{'a' * 32}-lib-1, /nix/store/{_LIB}\n"):
        closure.resolve(loads(value), "lib", what="images")


@pytest.mark.parametrize(
    ("name", "expected"),
    [("hello-2.12.1", "hello"), ("gcc-13.2-lib", "gcc"), ("python3.12-six-1", "python3.12-six"),
     ("source", "source"), ("config.txt", "config.txt"), ("a-b", "a-b")],
)  # fmt: skip
def test_names_are_told_from_versions_as_nix_does(name: str, expected: str) -> None:
    assert closure.split_name(name) == expected


def remove(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda value: value.pop(f"/nix/store/{key}") and None


def change(field: str, to: Any) -> Callable[[dict[str, Any]], None]:
    return lambda value: value[f"/nix/store/{_LIB}"].update({field: to})


def absent(value: dict[str, Any]) -> None:
    value[f"/nix/store/{_LIB}"] = None


def elsewhere(value: dict[str, Any]) -> None:
    value[f"/opt/store/{'a' * 32}-x"] = value[f"/nix/store/{_LIB}"]


def misspelt(value: dict[str, Any]) -> None:
    value["/nix/store/eeee-x"] = value[f"/nix/store/{_LIB}"]


@pytest.mark.parametrize(
    ("damage", "kind", "message"),
    [
        (remove(_LIB), InputError, f"{_APP} refers to /nix/store/{_LIB}, which is not in it"),
        (absent, NotFoundError, f"/nix/store/{_LIB} is not in the store it was asked for"),
        (elsewhere, InputError, "is not in the store /nix/store"),
        (misspelt, CorruptError, "is no store path"),
        (change("narSize", -1), CorruptError, "narSize"),
        (change("narSize", "816"), CorruptError, "narSize"),
        (change("narHash", "sha256-AAAA"), CorruptError, "which is no sha256"),
        (change("narHash", "sha256:" + "z" * 52), CorruptError, "which is no sha256"),
        (change("narHash", None), CorruptError, "which is no sha256"),
        (change("references", None), CorruptError, "is no list"),
        (change("references", ["/opt/x"]), InputError, "is not in the store"),
        (change("references", [{}]), CorruptError, "is no store path"),
    ],
)  # fmt: skip
def test_what_is_no_closure_is_refused(
    damage: Callable[[dict[str, Any]], None], kind: type[LadingError], message: str
) -> None:
    value = recorded()
    damage(value)
    with pytest.raises(kind) as found:
        loads(value)
    assert message in str(found.value)
    assert "graph.json" in str(found.value)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[1]", b"3", b"{}", b"[]", b'{"a":{},"a":{}}', b'{"info":{},"version":2}']
)
def test_malformed_descriptions_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptError, match=r"graph\.json"):
        closure.loads(data, what="graph.json")


def test_an_object_that_is_listed_twice_is_refused() -> None:
    listed = as_list(recorded())
    with pytest.raises(CorruptError, match="twice"):
        loads([*listed, listed[0]])


def test_a_store_of_another_place_has_to_be_asked_for() -> None:
    value = {**recorded(2), "storeDir": "/opt/store"}
    with pytest.raises(InputError, match="'/opt/store' is not in the store /nix/store"):
        loads(value)
    found = closure.loads(json.dumps(value).encode(), what="graph.json", store="/opt/store")
    assert found.full(_APP) == f"/opt/store/{_APP}"


@pytest.mark.parametrize("place", [*range(0, 2432, 61), 2431])
def test_an_export_that_is_cut_off_is_refused(tmp_path: Path, place: int) -> None:
    data = (_RECORDED / "app.export").read_bytes()
    assert len(data) == 2432
    (tmp_path / "cut").write_bytes(data[:place])
    with pytest.raises(CorruptError, match="is no Nix archive"):
        export.split(tmp_path / "cut", None, what="app.export")


def test_what_follows_an_export_is_refused(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes((_RECORDED / "app.export").read_bytes() + b"x")
    with pytest.raises(CorruptError, match="no end where one belongs"):
        export.split(tmp_path / "long", None, what="app.export")
