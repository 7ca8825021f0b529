"""What images are assembled from: layer metadata and bases, read and checked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lading.errors import CorruptError, InputError, LadingError
from lading.oci import document, media_types, parts
from lading.oci.digest import Digest
from tests.unit.oci import images


def manifest_with(**changes: Any) -> tuple[bytes, bytes]:
    manifest, config = images.base_documents()
    value = json.loads(manifest)
    for key, item in changes.items():
        if item is None:
            value.pop(key)
        else:
            value[key] = item
    return document.dumps(value), config


def config_with(**changes: Any) -> tuple[bytes, bytes]:
    """A base whose config is changed and whose manifest describes the changed one."""
    manifest, config = images.base_documents()
    value, described = json.loads(config), json.loads(manifest)
    data = document.dumps(value | changes)
    described["config"] = parts.describe(media_types.CONFIG, data)
    return document.dumps(described), data


def sha512_of(data: bytes) -> dict[str, Any]:
    """A config's descriptor by the other algorithm."""
    digest = str(Digest.of(data, "sha512"))
    return {"mediaType": media_types.CONFIG, "digest": digest, "size": len(data)}


def test_layer_metadata_gives_the_descriptor_and_nothing_else_of_it() -> None:
    layer = images.layer_metadata("app", annotations={"b": "2", "a": "1"})
    read = parts.read_layer(document.dumps(layer), what="x")
    assert read.descriptor == {
        "mediaType": media_types.LAYER_GZIP,
        "digest": images.digest("app"),
        "size": 3,
        "annotations": {"a": "1", "b": "2"},
    }
    assert list(read.descriptor["annotations"]) == ["a", "b"]
    assert read.diff_id == images.digest("tar of app")
    assert read.history == {"created_by": "lading app"}


@pytest.mark.parametrize(
    "changes",
    [
        {"mediaType": ""},
        {"digest": "sha256:0"},
        {"digest": images.digest("x").upper()},
        {"digest": images.digest("x") + "\n"},
        {"digest": "md5:" + "0" * 32},
        {"size": -1},
        {"size": True},
        {"size": "3"},
        {"diff_id": None},
        {"diff_id": "../../etc/passwd"},
        {"annotations": {"a": 1}},
        {"annotations": ["a"]},
        {"history": "x"},
    ],
)
def test_malformed_layer_metadata_is_refused_by_file_name(changes: dict[str, Any]) -> None:
    with pytest.raises(CorruptError, match=r"app\.metadata\.json"):
        parts.read_layer(
            document.dumps(images.layer_metadata("app", **changes)), what="app.metadata.json"
        )


def test_docker_media_types_of_a_base_become_oci_types_of_all_its_layers() -> None:
    base = images.base(docker=True, layers=("one", "two"))
    types = [layer.descriptor["mediaType"] for layer in base.layers]
    assert types == [media_types.LAYER_GZIP] * 2


def test_descriptors_of_the_base_keep_their_unknown_fields() -> None:
    layer = images.layer_metadata("debian")
    described = {key: layer[key] for key in ("mediaType", "digest", "size")}
    described |= {"urls": ["https://example.com/x"], "annotations": {"toc": "1"}, "x": [1]}
    base = parts.read_base(*manifest_with(layers=[described]), what="b")
    assert base.layers[0].descriptor == described


def test_a_manifest_without_media_type_is_read_as_other_tools_write_it() -> None:
    assert len(parts.read_base(*manifest_with(mediaType=None), what="b").layers) == 1


def test_a_config_may_be_named_by_its_sha512() -> None:
    _, config = images.base_documents()
    assert parts.read_base(*manifest_with(config=sha512_of(config)), what="b").config is not None


@pytest.mark.parametrize(
    ("documents", "kind"),
    [
        (
            manifest_with(mediaType=media_types.INDEX, manifests=[], layers=None, config=None),
            InputError,
        ),
        (manifest_with(manifests=[]), CorruptError),
        (manifest_with(schemaVersion=1), InputError),
        (manifest_with(mediaType="application/vnd.example+json"), InputError),
        (manifest_with(config=None), CorruptError),
        (manifest_with(config=parts.describe(media_types.CONFIG, b"other")), CorruptError),
        (manifest_with(config=sha512_of(b"other")), CorruptError),
        (manifest_with(layers=None), CorruptError),
        (manifest_with(layers=[]), CorruptError),
        (manifest_with(layers=[{"mediaType": "x"}]), CorruptError),
        (config_with(rootfs=None), CorruptError),
        (config_with(rootfs={"type": "layers", "diff_ids": ["x"]}), CorruptError),
        (config_with(history={"a": 1}), CorruptError),
        (config_with(config=[]), CorruptError),
        (config_with(config={"Labels": ["a=b"]}), CorruptError),
        (config_with(config={"Env": {"A": "1"}}), CorruptError),
        (config_with(config={"Env": [1]}), CorruptError),
        (config_with(history=[1]), CorruptError),
        (config_with(os=7), CorruptError),
        ((b"{", b"{}"), CorruptError),
    ],
)
def test_a_base_that_contradicts_itself_or_is_no_image_is_refused_by_name(
    documents: tuple[bytes, bytes], kind: type[LadingError]
) -> None:
    with pytest.raises(kind, match="//:base"):
        parts.read_base(*documents, what="//:base")


@pytest.mark.parametrize(
    ("documents", "says"),
    [
        (manifest_with(mediaType=media_types.INDEX), "is an index of several images"),
        (manifest_with(manifests=[], layers=None, config=None), "is an index of several images"),
        (config_with(rootfs=None), "has no list of diff_ids"),
        (config_with(rootfs={"diff_ids": ""}), "has no list of diff_ids"),
        (config_with(rootfs={"diff_ids": []}), "has 1 layers, but 0 diff_ids"),
    ],
)
def test_the_reason_is_said(documents: tuple[bytes, bytes], says: str) -> None:
    with pytest.raises(LadingError, match=says):
        parts.read_base(*documents, what="//:base")


def test_an_artifact_is_no_base() -> None:
    config = b"{}"
    documents = manifest_with(config=parts.describe("application/vnd.example", config))
    with pytest.raises(InputError, match="artifact"):
        parts.read_base(documents[0], config, what="//:base")


def test_a_base_without_layers_may_say_null() -> None:
    manifest, config = images.base_documents(layers=())
    value = json.loads(config) | {"rootfs": {"type": "layers", "diff_ids": None}}
    data = document.dumps(value)
    described = json.loads(manifest) | {"config": parts.describe(media_types.CONFIG, data)}
    base = parts.read_base(document.dumps(described), data, what="b")
    assert base.layers == ()


EMPTY: dict[str, Any] = {"created_by": "ENV", "empty_layer": True}


@pytest.mark.parametrize(
    "history",
    [
        [],
        [{"created_by": "ADD"}],
        [{"created_by": "ADD"}, EMPTY, {"created_by": "RUN"}],
        [EMPTY, {"created_by": "a"}, {"created_by": "b"}, {"created_by": "c"}],
        [EMPTY],
    ],
)
def test_history_of_a_base_always_counts_as_many_layers_as_there_are(
    history: list[dict[str, Any]],
) -> None:
    base = images.base(layers=("one", "two"), history=history)
    assert sum(not entry.get("empty_layer") for entry in base.history) == 2
    texts = [entry.get("created_by") for entry in base.history if entry.get("created_by")]
    assert texts == [entry["created_by"] for entry in history]
