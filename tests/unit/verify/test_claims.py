"""Content that several descriptors describe is verified as each of them says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lading.oci.verify_rules import Finding
from lading.verify.place import Options, verify_directory
from tests.unit.verify.seeds import Spoilt, member, tar_of


@pytest.fixture
def spoilt(tmp_path: Path) -> Spoilt:
    return Spoilt(tmp_path / "layout")


def _findings(spoilt: Spoilt) -> list[Finding]:
    findings = verify_directory(spoilt.directory, Options()).findings
    return [item for item in findings if item.rule != "layout-unreferenced"]


def _rules(spoilt: Spoilt) -> list[str]:
    return [item.rule for item in _findings(spoilt)]


def _list_first(spoilt: Spoilt, **descriptor: Any) -> None:
    """Puts a descriptor before that of the image."""
    index = spoilt.index
    index["manifests"].insert(0, descriptor)
    spoilt.index = index


def _root(spoilt: Spoilt, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = spoilt.index["manifests"][0]
    return {**found, "annotations": {}, **changes}


def test_an_image_that_is_listed_as_something_else_first(spoilt: Spoilt) -> None:
    spoilt.set_layer(tar_of(member("/etc/x", b"x")))
    _list_first(spoilt, **_root(spoilt, mediaType="application/x-nothing"))
    assert _rules(spoilt) == ["tar-name-absolute"]


def test_a_layer_that_is_listed_as_something_first(spoilt: Spoilt) -> None:
    spoilt.set_layer(tar_of(member("/etc/x", b"x")))
    _list_first(spoilt, **spoilt.manifest["layers"][0])
    assert _rules(spoilt) == ["tar-name-absolute"]


@pytest.mark.parametrize("position", [0, 1])
def test_an_image_that_is_listed_for_two_platforms(spoilt: Spoilt, position: int) -> None:
    own = {"os": "linux", "architecture": spoilt.config["architecture"]}
    platforms = [own, own]
    platforms[position] = {"os": "linux", "architecture": "s390x"}
    index = spoilt.index
    index["manifests"] = [_root(spoilt, platform=platform) for platform in platforms]
    spoilt.index = index
    assert _rules(spoilt) == ["platform-mismatch"]


LIES: dict[str, tuple[str, Callable[[dict[str, Any]], object]]] = {
    "the size": ("blob-size", lambda layer: layer.update(size=layer["size"] + 1)),
    "the compression": (
        "layer-compression",
        lambda layer: layer.update(mediaType="application/vnd.oci.image.layer.v1.tar"),
    ),
    "a table of contents": (
        "layer-toc",
        lambda layer: layer.update(
            annotations={"containerd.io/snapshot/stargz/toc.digest": "sha256:" + "0" * 64}
        ),
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_second_image_that_says_another_thing_of_a_layer(spoilt: Spoilt, lie: str) -> None:
    rule, change = LIES[lie]
    manifest = spoilt.manifest
    change(manifest["layers"][0])
    data = json.dumps(manifest).encode()
    index = spoilt.index
    index["manifests"].append(_root(spoilt, digest=spoilt.put(data), size=len(data)))
    spoilt.index = index
    assert _rules(spoilt) == [rule]


@pytest.mark.parametrize("first", [True, False])
def test_a_layer_that_is_there_twice_with_two_sizes(spoilt: Spoilt, *, first: bool) -> None:
    def again(items: list[Any]) -> None:
        items.insert(0, items[0])

    def lie(manifest: dict[str, Any]) -> None:
        layers = manifest["layers"]
        layers.insert(0, dict(layers[0]))
        layers[0 if first else 1]["size"] = 5

    spoilt.change_config(lambda config: again(config["rootfs"]["diff_ids"]))
    spoilt.change_config(lambda config: again(config["history"]))
    spoilt.change_manifest(lie)
    assert _rules(spoilt) == ["blob-size"]


def test_a_diff_id_of_another_algorithm(spoilt: Spoilt) -> None:
    tar = tar_of(member("etc/a", b"a"))
    spoilt.set_layer(tar)

    def state(digest: str) -> None:
        spoilt.change_config(lambda config: config["rootfs"]["diff_ids"].__setitem__(0, digest))

    state(f"sha512:{hashlib.sha512(tar).hexdigest()}")
    assert _rules(spoilt) == []
    state(f"sha512:{hashlib.sha512(b'another').hexdigest()}")
    assert _rules(spoilt) == ["diff-id"]
