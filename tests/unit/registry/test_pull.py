"""Base images: documents without layers, mirrors, and what is refused."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lading.actions import pull as action
from lading.errors import CorruptError, DeniedError, LadingError, NotFoundError
from lading.oci import media_types
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.record import replace
from lading.registry import pull
from lading.registry.credentials import Credential
from lading.registry.push import Job, Pusher
from lading.registry.repository import Repository
from lading.registry.session import Session
from tests.registry_server import images
from tests.registry_server.faults import Fault, Hang
from tests.registry_server.server import Server, serve


@pytest.fixture
def base() -> images.Image:
    return images.index(
        [images.manifest(100, 2000, platform=f"linux/{name}") for name in ("amd64", "arm64")]
    )


@pytest.fixture
def repository(server: Server, session: Session, base: images.Image) -> Repository:
    place = session.repository(server.address, "team/base")
    Pusher().run([Job(base.root, base.content, place, ("1",))])
    server.log.clear()
    return place


def _files(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_a_shallow_pull_fetches_documents_and_no_layer(
    server: Server, repository: Repository, base: images.Image, tmp_path: Path
) -> None:
    pulled = pull.pull([repository], base.root.digest, tmp_path, layers=False)
    assert pulled.root.digest == base.root.digest
    assert [image.platform["architecture"] for image in pulled.manifests] == ["amd64", "arm64"]
    documents = {base.root.digest.hex}
    for image in pulled.manifests:
        documents |= {image.descriptor.digest.hex, image.config.digest.hex}
        assert len(image.layers) == len(image.diff_ids) == 2
    assert _files(tmp_path) == documents
    for name in documents:
        assert Digest.of((tmp_path / name).read_bytes()).hex == name
    assert sum("/blobs/" in line for line in server.lines) == 2  # the configs


def test_an_eager_pull_fetches_each_layer_once(
    server: Server, repository: Repository, base: images.Image, tmp_path: Path
) -> None:
    pulled = pull.pull([repository], base.root.digest, tmp_path, layers=True)
    layers = {layer.digest.hex for image in pulled.manifests for layer in image.layers}
    assert layers <= _files(tmp_path)
    fetched = [line for line in server.lines if line.startswith("GET") and "/blobs/" in line]
    assert len(fetched) == len(set(fetched)) == len(layers) + 2


def test_what_belongs_to_an_image_is_no_image_for_its_platform(
    server: Server, session: Session, tmp_path: Path
) -> None:
    """`soci convert` and `image_index` list a SOCI index with the platform of its image."""
    image, soci = images.manifest(100), images.manifest(200)
    soci.root = replace(soci.root, artifact_type="application/vnd.amazon.soci.index.v2+json")
    both = images.index([image, soci])
    place = session.repository(server.address, "team/soci")
    Pusher().run([Job(both.root, both.content, place, ("1",))])
    pulled = pull.pull([place], both.root.digest, tmp_path, layers=True)
    assert [found.platform["os"] for found in pulled.manifests] == ["linux", "unknown"]


def test_a_tag_is_resolved(repository: Repository, base: images.Image) -> None:
    assert pull.resolve([repository], "1") == base.root.digest


def test_a_mirror_that_fails_is_passed_over(
    make_session: Callable[..., Session],
    repository: Repository,
    base: images.Image,
    tmp_path: Path,
) -> None:
    with serve() as empty:
        mirror = make_session().repository(empty.address, "team/base")
        pull.pull([mirror, repository], base.root.digest, tmp_path, layers=True)
    assert base.root.digest.hex in _files(tmp_path)


def test_a_mirror_without_a_word_is_asked_once(
    server: Server,
    repository: Repository,
    base: images.Image,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(action, "_MIRROR", replace(action._MIRROR, answer=0.1))
    with serve() as silent:
        silent.script.add(Fault("*", "/v2/", Hang(0.5), times=0))
        where = [f"--registry={silent.address}", f"--registry={server.address}"]
        found = action.run([*where, "--repository=team/base", "--tag=1"])
        assert silent.script.happened == 1
    assert found["digest"] == str(base.root.digest)


def test_where_nobody_has_it_the_failure_names_every_place(
    make_session: Callable[..., Session], repository: Repository, tmp_path: Path
) -> None:
    with serve() as empty:
        mirror = make_session().repository(empty.address, "team/base")
        with pytest.raises(NotFoundError) as caught:
            pull.pull([mirror, repository], Digest.of(b"nothing"), tmp_path, layers=False)
    assert str(repository) in str(caught.value)
    assert empty.address in str(caught.value)


def test_a_damaged_layer_leaves_no_file(
    repository: Repository, base: images.Image, tmp_path: Path
) -> None:
    descriptor = images.manifest(100, 2000, platform="linux/amd64").root
    layer = json.loads(base.content.blobs[descriptor.digest])["layers"][1]
    wrong = {**layer, "digest": str(Digest.of(b"other"))}
    with pytest.raises(LadingError):
        pull.fetch_blob(
            [repository], Descriptor.from_json(wrong, what="a layer"), tmp_path / "layer"
        )
    assert _files(tmp_path) == set()


def test_a_document_that_is_manifest_and_index_at_once_is_refused(
    server: Server, session: Session, tmp_path: Path
) -> None:
    place = session.repository(server.address, "team/base")
    data = json.dumps({"schemaVersion": 2, "manifests": [], "layers": [], "config": {}}).encode()
    digest = Digest.of(data)
    server.registry.repositories["team/base"].manifests[str(digest)] = (
        media_types.INDEX,
        data,
    )
    with pytest.raises(CorruptError, match="both"):
        pull.pull([place], digest, tmp_path, layers=False)


def test_a_credential_is_found_and_without_it_the_failure_says_so(
    server: Server,
    repository: Repository,
    base: images.Image,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The registry asks for it by a challenge, as real ones do."""
    server.registry.basic = ("user", "secret")
    config = tmp_path / "auth.json"
    pair = base64.b64encode(b"user:secret").decode()
    config.write_text(json.dumps({"auths": {server.address: {"auth": pair}}}))
    where = [f"--registry={server.address}", "--repository=team/base", "--tag=1"]
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(config))
    assert action.run(where) == {"digest": str(base.root.digest)}
    monkeypatch.delenv("REGISTRY_AUTH_FILE")
    for name in ("DOCKER_CONFIG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DeniedError, match=re.escape(server.address)):
        action.run(where)


@pytest.mark.parametrize(
    ("header", "credential"),
    [
        ("Basic dXNlcjpzZWNyZXQ=", Credential("user", "secret")),
        ("Bearer abc", Credential(registry_token="abc")),
    ],
)
def test_a_bazel_credential_helper_is_asked(
    tmp_path: Path, header: str, credential: Credential
) -> None:
    answer = json.dumps({"headers": {"Authorization": [header]}})
    helper = tmp_path / "helper"
    helper.write_text(f"#!/bin/sh\ncat >{tmp_path}/asked\necho '{answer}'\n")
    helper.chmod(0o755)
    found = action.finder(str(helper))("registry.example.com", "team/base")
    assert found == dataclasses.replace(credential, source=str(helper))
    asked = json.loads((tmp_path / "asked").read_text())
    assert asked == {"uri": "https://registry.example.com/v2/team/base"}


def test_the_program_tells_the_repository_rule_what_there_is(
    server: Server, repository: Repository, base: images.Image, tmp_path: Path
) -> None:
    where = [f"--registry={server.address}", "--repository=team/base"]
    digest = action.run([*where, "--tag=1"])["digest"]
    assert digest == str(base.root.digest)
    told = action.run([*where, f"--digest={digest}", f"--output={tmp_path}"])
    assert told["root"]["mediaType"] == media_types.INDEX
    first = told["manifests"][0]
    assert first["platform"] == {"os": "linux", "architecture": "amd64", "variant": ""}
    assert all(layer["diff_id"] == layer["digest"] for layer in first["layers"])
    layer = first["layers"][1]
    action.run(
        [
            *where,
            f"--layer={layer['digest']}",
            f"--size={layer['size']}",
            f"--output={tmp_path / 'layer'}",
        ]
    )
    assert str(Digest.of((tmp_path / "layer").read_bytes())) == layer["digest"]
