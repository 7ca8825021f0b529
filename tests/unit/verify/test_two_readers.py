"""An archive that docker reads by `manifest.json`, and others by `index.json`: the same image."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from lading.oci import layout
from lading.oci.digest import Digest
from lading.verify.place import Options, verify_archive
from tests.unit.verify.seeds import Spoilt


@pytest.fixture
def spoilt(tmp_path: Path) -> Spoilt:
    return Spoilt(tmp_path / "layout")


def _rules(spoilt: Spoilt, config: str) -> set[str]:
    """Of an archive of the layout, where the image for docker is that of `config`."""
    entry = {"Config": _name(config), "RepoTags": ["a:v1"], "Layers": []}
    (spoilt.directory / "manifest.json").write_text(json.dumps([entry]))
    path = spoilt.directory.parent / "archive.tar"
    with tarfile.open(path, "w") as archive:
        for file in sorted(spoilt.directory.rglob("*")):
            archive.add(file, file.relative_to(spoilt.directory).as_posix(), recursive=False)
    findings = verify_archive(path, Options()).findings
    return {item.rule for item in findings} - {"layout-unreferenced"}


def _name(digest: str) -> str:
    return layout.blob_name(Digest.parse(digest))


def _other_config(spoilt: Spoilt) -> str:
    """Of an image that starts something else."""
    config = spoilt.config
    config["config"]["Entrypoint"] = ["/other"]
    return spoilt.put(json.dumps(config).encode())


def test_the_same_image(spoilt: Spoilt) -> None:
    assert _rules(spoilt, spoilt.manifest["config"]["digest"]) == set()


def test_an_image_of_an_index(spoilt: Spoilt) -> None:
    config = spoilt.manifest["config"]["digest"]
    index: dict[str, Any] = {**spoilt.index, "mediaType": "application/vnd.oci.image.index.v1+json"}
    index["manifests"][0].pop("annotations")
    spoilt.set_root(json.dumps(index).encode(), mediaType=index["mediaType"])
    assert _rules(spoilt, config) == set()


def test_a_config_by_another_algorithm(spoilt: Spoilt) -> None:
    data = json.dumps(spoilt.config).encode()
    digest = f"sha512:{hashlib.sha512(data).hexdigest()}"
    spoilt.blob(digest).parent.mkdir()
    spoilt.blob(digest).write_bytes(data)
    spoilt.change_manifest(lambda value: value["config"].update(digest=digest, size=len(data)))
    assert _rules(spoilt, digest) == set()


def test_another_image(spoilt: Spoilt) -> None:
    assert _rules(spoilt, _other_config(spoilt)) == {"docker-oci-disagreement"}


def test_another_image_that_a_manifest_names_which_nothing_leads_to(spoilt: Spoilt) -> None:
    config = _other_config(spoilt)
    manifest = spoilt.manifest
    manifest["config"]["digest"] = config
    spoilt.put(json.dumps(manifest).encode())
    assert _rules(spoilt, config) == {"docker-oci-disagreement"}
