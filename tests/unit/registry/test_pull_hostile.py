"""Base images whose documents lie: each is one clear error, and nothing of it is believed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lading.errors import LadingError
from lading.oci import media_types
from lading.oci.digest import Digest
from lading.registry import pull
from lading.registry.push import Job, Pusher
from lading.registry.repository import Repository
from lading.registry.session import Session
from tests.registry_server import images
from tests.registry_server.server import Server

Value = dict[str, Any]

_IMAGE = images.manifest(10)
_MANIFEST: Value = json.loads(_IMAGE.data)
_LAYER: Value = _MANIFEST["layers"][0]
_CONFIG: Value = {
    "architecture": "amd64",
    "os": "linux",
    "rootfs": {"type": "layers", "diff_ids": [_LAYER["digest"]]},
}
_CHILD: Value = {
    "mediaType": media_types.MANIFEST,
    "digest": str(_IMAGE.root.digest),
    "size": _IMAGE.root.size,
}


@pytest.fixture
def repository(server: Server, session: Session) -> Repository:
    place = session.repository(server.address, "app")
    Pusher().run([Job(_IMAGE.root, _IMAGE.content, place, ("v1",))])
    return place


@pytest.fixture
def pulled(server: Server, repository: Repository, tmp_path: Path) -> Callable[..., pull.Pulled]:
    """Pulls a document that the registry has, whatever it is."""

    def run(data: bytes, media_type: str) -> pull.Pulled:
        digest = Digest.of(data)
        server.registry.repositories["app"].manifests[str(digest)] = (media_type, data)
        return pull.pull([repository], digest, tmp_path, layers=True)

    return run


CONFIGS: dict[str, Value] = {
    "diff_ids a number": {"rootfs": {"diff_ids": 5}},
    "diff_ids a text": {"rootfs": {"diff_ids": "x"}},
    "diff_ids an object": {"rootfs": {"diff_ids": {"sha256:0": 1}}},
    "diff_ids no digests": {"rootfs": {"diff_ids": ["../../etc/passwd"]}},
    "diff_ids too many": {"rootfs": {"diff_ids": [_LAYER["digest"]] * 2}},
    "os a number": {"os": 5},
    "os an object": {"os": {"linux": 1}},
    "architecture a list": {"architecture": ["amd64"]},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_that_is_none(
    server: Server, pulled: Callable[..., pull.Pulled], name: str
) -> None:
    data = json.dumps({**_CONFIG, **CONFIGS[name]}).encode()
    digest = str(Digest.of(data))
    server.registry.repositories["app"].blobs[digest] = data
    config = {"mediaType": media_types.CONFIG, "digest": digest, "size": len(data)}
    with pytest.raises(LadingError, match=r"the config of the manifest sha256:|its config 2"):
        pulled(json.dumps({**_MANIFEST, "config": config}).encode(), media_types.MANIFEST)


DOCUMENTS: dict[str, tuple[object, str]] = {
    "a layer of another size": (
        {**_MANIFEST, "layers": [{**_LAYER, "size": 2**70}]},
        media_types.MANIFEST,
    ),
    "a layer below zero": (
        {**_MANIFEST, "layers": [{**_LAYER, "size": -1}]},
        media_types.MANIFEST,
    ),
    "a size that is no whole number": (
        {**_MANIFEST, "layers": [{**_LAYER, "size": 1e3}]},
        media_types.MANIFEST,
    ),
    "a digest of another kind": (
        {**_MANIFEST, "layers": [{**_LAYER, "digest": "md5:00"}]},
        media_types.MANIFEST,
    ),
    "a digest that is a path": (
        {**_MANIFEST, "layers": [{**_LAYER, "digest": "sha256:../../../../etc/passwd"}]},
        media_types.MANIFEST,
    ),
    "a key twice": (b'{"schemaVersion": 2, "layers": [], "layers": []}', media_types.MANIFEST),
    "NaN": (b'{"schemaVersion": 2, "layers": [], "x": NaN}', media_types.MANIFEST),
    "nested deep": (b'{"layers": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", media_types.MANIFEST),
    "not UTF-8": (b'{"layers": [], "x": "\xff"}', media_types.MANIFEST),
    "an image of another size": (
        {"schemaVersion": 2, "manifests": [{**_CHILD, "size": 5}]},
        media_types.INDEX,
    ),
    "an image of another type": (
        {"schemaVersion": 2, "manifests": [{**_CHILD, "mediaType": media_types.DOCKER_MANIFEST}]},
        media_types.INDEX,
    ),
    "an index in an index": (
        {"schemaVersion": 2, "manifests": [{**_CHILD, "mediaType": media_types.INDEX}]},
        media_types.INDEX,
    ),
    "a platform of numbers": (
        {"schemaVersion": 2, "manifests": [{**_CHILD, "platform": {"os": 1}}]},
        media_types.INDEX,
    ),
    "more images than anybody has": (
        {"schemaVersion": 2, "manifests": [_CHILD] * 300},
        media_types.INDEX,
    ),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_that_lies(pulled: Callable[..., pull.Pulled], name: str) -> None:
    value, media_type = DOCUMENTS[name]
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    with pytest.raises(LadingError) as caught:
        pulled(data, media_type)
    assert len(str(caught.value).splitlines()) <= 2
    assert len(str(caught.value)) < 600
