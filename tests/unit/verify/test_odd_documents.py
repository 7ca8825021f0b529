"""Documents with one odd value somewhere: findings or one clear error, and never anything else.

A short form of a longer run; what it found stays found.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lading.commands import inspect, verify
from lading.errors import CorruptError, LadingError
from lading.verify.place import Options, verify_archive
from tests.unit.verify.seeds import Spoilt

_ROUNDS = 150
_ODD: list[Any] = [
    None, True, 5, -1, 1e300, 2**70, float("nan"), "", "x" * 300, "../..", "\ud800", "\x1b[2J",
    [], {}, [[]], [None], {"a": None}, "sha256:" + "0" * 64,
]  # fmt: skip


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from _places(value[key], (*path, key))


def _changed(chance: random.Random, value: Any) -> Any:
    """A copy with one value of any depth replaced by an odd one."""
    copy = json.loads(json.dumps(value))
    *parents, last = chance.choice([path for path in _places(copy) if path])
    place = copy
    for key in parents:
        place = place[key]
    place[last] = chance.choice(_ODD)
    return copy


def _bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


def _spoil(spoilt: Spoilt, chance: random.Random) -> None:
    which = chance.choice(["index", "manifest", "config"])
    if which == "config":
        data = _bytes(_changed(chance, spoilt.config))
        place = {"digest": spoilt.put(data), "size": len(data)}
        spoilt.change_manifest(lambda manifest: manifest["config"].update(place))
    elif which == "manifest":
        spoilt.set_root(_bytes(_changed(chance, spoilt.manifest)))
    else:
        path = spoilt.directory / "index.json"
        path.write_bytes(_bytes(_changed(chance, spoilt.index)))


@pytest.mark.parametrize("seed", range(3))
def test_an_odd_value_anywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    chance = random.Random(seed)
    for number in range(_ROUNDS):
        spoilt = Spoilt(tmp_path / f"{number}")
        _spoil(spoilt, chance)
        for command in (verify.main, inspect.main):
            with contextlib.suppress(LadingError):
                command([f"oci:{spoilt.directory}"])
            out = capsys.readouterr().out
            out.encode()
            assert "\x1b" not in out


@pytest.mark.parametrize("value", [[], ["x"], {}, {"a": 1}, 5, None, True])
def test_an_index_whose_media_type_is_no_text(tmp_path: Path, value: Any) -> None:
    spoilt = Spoilt(tmp_path / "layout")
    (spoilt.directory / "index.json").write_bytes(_bytes({**spoilt.index, "mediaType": value}))
    with pytest.raises(CorruptError, match=r"index\.json has the mediaType"):
        inspect.main([f"oci:{spoilt.directory}"])


@pytest.mark.parametrize("with_index", [False, True])
@pytest.mark.parametrize(
    ("entry", "rule"),
    [
        ({"Config": "c", "Layers": [{}]}, "docker-manifest"),
        ({"Config": "c", "Layers": [["x"]]}, "docker-manifest"),
        ({"Config": {}, "Layers": []}, "docker-manifest"),
        ({"Config": "c", "Layers": [], "RepoTags": 5}, "docker-tag"),
        ({"Config": "c", "Layers": [], "RepoTags": {"a": "b"}}, "docker-tag"),
        ({"Config": "c", "Layers": [], "RepoTags": [[]]}, "docker-tag"),
        ({"Config": "c", "Layers": [], "RepoTags": ["a/../b:v1"]}, "docker-tag"),
        ({"Config": "c", "Layers": [], "RepoTags": ["a:v1:v2"]}, "docker-tag"),
        ({"Config": "c", "Layers": [], "RepoTags": ["a:5000:v1"]}, "docker-tag"),
        ({"Config": "c", "Layers": [], "RepoTags": ["A:v1"]}, "docker-tag"),
        ({"Config": "c", "Layers": [], "RepoTags": ["a"]}, "docker-tag"),
        ({"Config": "c", "Layers": [], "RepoTags": ["a:" + "v" * 129]}, "docker-tag"),
        ({"Config": "c", "Layers": [], "RepoTags": [f"{'a' * 256}:v1"]}, "docker-tag"),
    ],
)
def test_an_archive_for_docker_with_odd_values(
    tmp_path: Path, entry: dict[str, Any], rule: str, *, with_index: bool
) -> None:
    files = {"manifest.json": _bytes([entry]), "c": b"{}"}
    if with_index:
        files["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
        files["index.json"] = b'{"schemaVersion": 2, "manifests": []}'
    assert rule in _rules_of_archive(tmp_path, files)


@pytest.mark.parametrize(
    "tag",
    [
        "a:v1",
        "localhost/a__b/c-d:latest",
        "REGISTRY.example.com/a:V1",
        "Registry:5000/a/b:v1",
        "[::1]:5000/a:v1",
        f"{'a' * 255}:{'v' * 128}",
    ],
)
def test_names_that_docker_takes(tmp_path: Path, tag: str) -> None:
    entry = {"Config": "c", "Layers": [], "RepoTags": [tag]}
    files = {"manifest.json": _bytes([entry]), "c": b"{}"}
    assert "docker-tag" not in _rules_of_archive(tmp_path, files)


def test_an_archive_for_docker_without_images(tmp_path: Path) -> None:
    assert _rules_of_archive(tmp_path, {"manifest.json": b"[]"}) == {"docker-manifest"}


def _rules_of_archive(tmp_path: Path, files: dict[str, bytes]) -> set[str]:
    with tarfile.open(tmp_path / "archive.tar", "w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return {
        finding.rule for finding in verify_archive(tmp_path / "archive.tar", Options()).findings
    }
