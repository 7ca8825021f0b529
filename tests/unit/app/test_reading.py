"""What the dashboard makes of layouts, sound and damaged (correctness.md 3)."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lading.oci import media_types
from lading.oci.descriptor import Descriptor
from lading_dashboard import reading
from lading_dashboard.disk import DiskLayout
from lading_dashboard.images import Image
from lading_dashboard.reading import read_layout
from tests.unit.app.made import Layout

_ARM = {"architecture": "arm64", "os": "linux", "variant": "v8"}


@pytest.fixture
def made(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "layout")


def _images(made: Layout) -> tuple[Image, ...]:
    images, problems = read_layout(DiskLayout(made.directory), "app")
    assert problems == ()
    return images


def _only(made: Layout) -> Image:
    (image,) = _images(made)
    return image


def test_one_digest_under_several_tags_is_one_image(made: Layout) -> None:
    root = made.tag(made.manifest(), "v1", "latest", "v1")
    other = made.tag(made.manifest([b"other"]))

    first, second = _images(made)

    assert (first.digest, first.tags, first.name) == (root.digest, ("latest", "v1"), "app:latest")
    assert (second.digest, second.tags, second.name) == (other.digest, (), "app")


def test_size_counts_every_digest_once(made: Layout) -> None:
    root = made.tag(made.manifest([b"x" * 100, b"x" * 100, b"y" * 50]))
    image = _only(made)
    config = image.manifests[0].config
    assert config is not None
    assert image.total == root.size + config.size + 150
    assert [layer.size for layer in image.manifests[0].layers] == [100, 100, 50]


def test_config_is_told_without_the_values_of_the_environment(made: Layout) -> None:
    run = {
        "Entrypoint": ["/bin/app", "--serve"],
        "Cmd": ["all"],
        "Env": ["TOKEN=secret=1", "PATH=/bin", "BARE"],
        "ExposedPorts": {"8080/tcp": {}, "53/udp": {}},
        "Labels": {"b": "2", "a": "1"},
        "StopSignal": "SIGINT",
        "User": "65532",
        "Volumes": {"/data": {}},
        "WorkingDir": "/app",
    }
    made.tag(
        made.manifest(config={"config": run, "created": "2025-10-30T14:11:09.123456789+02:00"})
    )

    config = _only(made).manifests[0].config

    assert config is not None
    assert config.entrypoint == ("/bin/app", "--serve")
    assert config.cmd == ("all",)
    assert config.env_names == ("TOKEN", "PATH", "BARE")
    assert "secret" not in repr(config)
    assert config.ports == ("53/udp", "8080/tcp")
    assert list(config.labels.items()) == [("a", "1"), ("b", "2")]
    assert (config.user, config.working_dir, config.volumes) == ("65532", "/app", ("/data",))
    assert config.created is not None
    assert config.created.isoformat(timespec="seconds") == "2025-10-30T12:11:09+00:00"


def test_history_names_layers_and_skips_entries_without_one(made: Layout) -> None:
    history = [{"created_by": "base"}, {"created_by": "ENV", "empty_layer": True}, {}]
    made.tag(made.manifest([b"1", b"2"], config={"history": history}))
    assert [layer.created_by for layer in _only(made).manifests[0].layers] == ["base", ""]


def test_history_that_does_not_match_the_layers_names_none(made: Layout) -> None:
    made.tag(made.manifest([b"1", b"2"], config={"history": [{"created_by": "all"}]}))
    assert [layer.created_by for layer in _only(made).manifests[0].layers] == ["", ""]


def test_index_has_the_platforms_of_its_manifests(made: Layout) -> None:
    amd = made.manifest([b"amd"]).to_json()
    arm = made.manifest([b"arm"]).to_json() | {"platform": _ARM}
    statement = made.document(
        {
            "schemaVersion": 2,
            "config": made.document({}, media_types.CONFIG).to_json(),
            "layers": [made.blob(b"{}", "application/vnd.in-toto+json").to_json()],
        },
        media_types.MANIFEST,
    ).to_json() | {
        "platform": {"architecture": "unknown", "os": "unknown"},
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
    }
    made.tag(made.index(amd, arm, statement), "latest")

    image = _only(made)

    assert image.kind == "index"
    # The first says its platform in the config only.
    assert image.platforms == ("linux/amd64", "linux/arm64/v8")
    assert [item.role for item in image.manifests] == ["image", "image", "attestation"]
    assert image.all_problems == ()


def test_index_in_an_index_is_flattened(made: Layout) -> None:
    inner = made.index(made.manifest([b"inner"]).to_json())
    made.tag(made.index(inner.to_json(), made.manifest([b"outer"]).to_json()))
    assert len(_only(made).runnable) == 2


def test_artifact_is_no_image(made: Layout) -> None:
    config = made.document({}, media_types.EMPTY).to_json()
    fields = {"artifactType": "application/x.chart", "config": config}
    made.tag(made.manifest([b"chart"], fields=fields))
    image = _only(made)
    assert image.kind == "artifact"
    assert image.platforms == ()
    assert image.manifests[0].artifact_type == "application/x.chart"
    assert image.all_problems == ()


def test_docker_media_types_are_images_too(made: Layout) -> None:
    value = _load(made, made.manifest())
    value["mediaType"] = media_types.DOCKER_MANIFEST
    value["config"]["mediaType"] = media_types.DOCKER_CONFIG
    made.tag(made.document(value, media_types.DOCKER_MANIFEST))
    assert (_only(made).kind, _only(made).platforms) == ("image", ("linux/amd64",))


def _lost(path: Path) -> None:
    path.unlink()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _linked(path: Path) -> None:
    target = path.parent / "elsewhere"
    path.rename(target)
    path.symlink_to(target)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _altered(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"linux", b"LINUX"))


_DAMAGES: list[Callable[[Path], None]] = [_lost, _cut, _linked, _folder, _pipe]


@pytest.mark.parametrize("damage", _DAMAGES)
def test_damaged_layer_is_told_and_the_rest_is_shown(
    made: Layout, damage: Callable[[Path], None]
) -> None:
    made.tag(made.manifest([b"good", b"bad layer"]))
    bad = _only(made).manifests[0].layers[1].digest
    damage(made.path(bad))

    image = _only(made)

    assert len(image.all_problems) == 1
    assert str(bad) in image.all_problems[0]
    assert [bool(layer.problem) for layer in image.manifests[0].layers] == [False, True]
    assert image.platforms == ("linux/amd64",)


@pytest.mark.parametrize("damage", [*_DAMAGES, _altered])
@pytest.mark.parametrize("part", ["manifest", "config"])
def test_damaged_document_is_told(made: Layout, part: str, damage: Callable[[Path], None]) -> None:
    root = made.tag(made.manifest(fields={"annotations": {"os": "linux"}}), "latest")
    config = _only(made).manifests[0].config
    assert config is not None
    digest = root.digest if part == "manifest" else config.digest
    damage(made.path(digest))

    image = _only(made)

    assert image.tags == ("latest",)
    assert str(digest) in " ".join(image.all_problems)


def test_layer_behind_a_linked_folder_is_not_reached(made: Layout, tmp_path: Path) -> None:
    made.tag(made.manifest())
    shutil.move(made.directory / "blobs", tmp_path / "outside")
    (made.directory / "blobs").symlink_to(tmp_path / "outside")
    assert _only(made).manifests[0].layers == ()
    assert _only(made).all_problems != ()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"manifests": []}, "index and a manifest"),
        ({"layers": "all"}, "no list of layers"),
        ({"layers": [{"digest": "sha256:../../etc"}]}, "mediaType"),
        ({"config": None}, "not a descriptor"),
        ({"mediaType": media_types.INDEX}, "says"),
    ],
)
def test_manifest_that_is_none_is_told(made: Layout, changed: dict[str, Any], told: str) -> None:
    made.tag(made.manifest(fields=changed))
    (problem,) = _only(made).all_problems
    assert told in problem


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"created": "yesterday"}, "created"),
        ({"created": 5}, "created"),
        ({"created": "9999-12-31T23:59:59-23:59"}, "created"),
        ({"os": ["linux"]}, "not a string"),
        ({"config": []}, "config of the config"),
        ({"config": {"Env": "PATH=/bin"}}, "Env"),
        ({"config": {"Entrypoint": [1]}}, "Entrypoint"),
        ({"config": {"User": {}}}, "User"),
        ({"rootfs": {"type": "layers", "diff_ids": []}}, "0 diff_ids for 1 layers"),
    ],
)
def test_odd_config_is_told_and_the_rest_is_kept(
    made: Layout, changed: dict[str, Any], told: str
) -> None:
    made.tag(made.manifest(config=changed))
    image = _only(made)
    assert told in " ".join(image.all_problems)
    assert len(image.manifests[0].layers) == 1


def test_indexes_that_nest_too_deep_are_told(made: Layout) -> None:
    root = made.manifest()
    for _ in range(12):
        root = made.index(root.to_json())
    made.tag(root)
    assert "nest deeper" in _only(made).all_problems[0]


def test_number_of_images_is_limited(made: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_ROOTS", 2)
    for number in range(3):
        made.tag(made.manifest([bytes([number])]))
    images, problems = read_layout(DiskLayout(made.directory), "app")
    assert len(images) == 2
    assert problems == ("index.json lists 3 images; the first 2 are shown",)


def test_number_of_manifests_and_layers_is_limited(
    made: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MAX_MANIFESTS", 2)
    monkeypatch.setattr(reading, "MAX_LAYERS", 1)
    made.tag(made.index(*(made.manifest([b"x", bytes([number])]).to_json() for number in range(3))))
    image = _only(made)
    assert [len(item.layers) for item in image.manifests] == [1, 1]
    assert "3 manifests; 2 are shown" in image.all_problems[0]
    assert "2 layers; the first 1 are shown" in image.all_problems[1]


def test_unknown_content_in_an_index_is_counted_only(made: Layout) -> None:
    other = made.blob(b"whatever", "application/x.other")
    made.tag(made.index(made.manifest().to_json(), other.to_json()))
    image = _only(made)
    assert [item.role for item in image.manifests] == ["image", "artifact"]
    assert image.all_problems == ()


def _load(made: Layout, root: Descriptor) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(made.path(root.digest).read_bytes())
    return value
