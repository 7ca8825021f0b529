"""Manifests and their descriptors."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from lading.errors import InputError, LimitError
from lading.oci import manifest, media_types, parts
from tests.unit.oci import images

CONFIG = parts.describe(media_types.CONFIG, b"{}")


def assemble(layers: int = 1, **changes: Any) -> bytes:
    given: dict[str, Any] = {
        "config": CONFIG,
        "layers": [images.layer(str(number)).descriptor for number in range(layers)],
        "annotations": {},
        "artifact_type": "",
        "subject": None,
        "what": "//app:image",
    }
    return manifest.assemble(**(given | changes))


def test_a_plain_image() -> None:
    assert json.loads(assemble()) == {
        "schemaVersion": 2,
        "mediaType": media_types.MANIFEST,
        "config": CONFIG,
        "layers": [images.layer("0").descriptor],
    }


def test_an_artifact_with_a_subject_and_annotations() -> None:
    subject = parts.describe(media_types.MANIFEST, b"x") | {"platform": {"os": "linux"}}
    value = json.loads(
        assemble(artifact_type="application/spdx+json", subject=subject, annotations={"a": "b"})
    )
    assert value["artifactType"] == "application/spdx+json"
    assert value["subject"] == parts.describe(media_types.MANIFEST, b"x")
    assert value["annotations"] == {"a": "b"}


def test_an_artifact_without_layers_gets_the_empty_one() -> None:
    value = json.loads(assemble(0, artifact_type="application/vnd.example"))
    assert value["layers"] == [manifest.EMPTY_DESCRIPTOR]
    described = manifest.EMPTY_DESCRIPTOR
    assert described["digest"] == "sha256:" + hashlib.sha256(b"{}").hexdigest()
    assert (described["size"], described["data"]) == (2, "e30=")
    assert json.loads(assemble(0))["layers"] == []


def test_the_number_of_layers_is_limited_by_what_engines_can_mount() -> None:
    assemble(127)
    with pytest.raises(LimitError, match="128 layers"):
        assemble(128)


def test_a_manifest_that_registries_refuse_is_refused() -> None:
    with pytest.raises(LimitError, match="4194304"):
        assemble(annotations={"a": "x" * (4 << 20)})


def test_annotations_are_sorted_and_their_names_checked() -> None:
    checked = manifest.check_annotations({"b": "", "a b": "2", "a": "1"}, what="x")
    assert list(checked.items()) == [("a", "1"), ("a b", "2"), ("b", "")]
    for wrong in ({"": "x"}, {"a\n": "x"}, {"a": 1}):
        with pytest.raises(InputError, match="//app:image, annotations"):
            manifest.check_annotations(wrong, what="//app:image, annotations")


def test_the_descriptor_has_platform_and_artifact_type() -> None:
    data = assemble()
    described = manifest.descriptor(
        data, platform={"os": "linux", "architecture": "arm64", "variant": "v8"}, artifact_type="t"
    )
    assert described == {
        "mediaType": media_types.MANIFEST,
        "digest": "sha256:" + hashlib.sha256(data).hexdigest(),
        "size": len(data),
        "platform": {"architecture": "arm64", "os": "linux", "variant": "v8"},
        "artifactType": "t",
    }
