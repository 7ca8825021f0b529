"""Indexes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lading.errors import InputError, LimitError
from lading.oci import index, media_types, parts


def image(name: str, platform: dict[str, Any] | None) -> dict[str, Any]:
    described = parts.describe(media_types.MANIFEST, name.encode())
    return described if platform is None else described | {"platform": platform}


def assemble(*manifests: dict[str, Any], **changes: Any) -> Any:
    given: dict[str, Any] = {"annotations": {}, "subject": None, "what": "//app:index"}
    return json.loads(index.assemble(manifests=manifests, **(given | changes)))


AMD64 = {"architecture": "amd64", "os": "linux"}
ARM = {"architecture": "arm", "os": "linux"}


def test_images_stay_in_the_order_given() -> None:
    listed = [image("b", ARM | {"variant": "v7"}), image("a", AMD64), image("c", ARM)]
    assert assemble(*listed) == {
        "schemaVersion": 2,
        "mediaType": media_types.INDEX,
        "manifests": listed,
    }


def test_subject_and_annotations() -> None:
    value = assemble(image("a", AMD64), annotations={"x": "y"}, subject=image("s", AMD64))
    assert value["annotations"] == {"x": "y"}
    assert value["subject"] == image("s", None)


def test_windows_images_differ_by_os_version() -> None:
    windows = {"architecture": "amd64", "os": "windows"}
    platforms = [windows | {"os.version": version} for version in ("10.0.1", "10.0.2")]
    value = assemble(*(image(str(number), one) for number, one in enumerate(platforms)))
    assert [one["platform"] for one in value["manifests"]] == platforms


def test_an_artifact_or_a_nested_index_needs_no_platform() -> None:
    nested = parts.describe(media_types.INDEX, b"nested")
    artifact = image("sbom", None) | {"artifactType": "application/spdx+json"}
    assert len(assemble(image("a", AMD64), nested, artifact)["manifests"]) == 3


@pytest.mark.parametrize(
    ("manifests", "reason"),
    [
        ([], "lists no image"),
        ([image("a", None)], "which platform"),
        ([image("a", {"os": "linux"})], "platform"),
        ([image("a", AMD64), image("b", AMD64)], "both for linux/amd64"),
        ([parts.describe(media_types.LAYER, b"")], "neither"),
    ],
)
def test_what_engines_could_not_choose_from_is_refused(
    manifests: list[dict[str, Any]], reason: str
) -> None:
    with pytest.raises(InputError, match="//app:index") as caught:
        assemble(*manifests)
    assert reason in str(caught.value)


def test_the_size_is_limited() -> None:
    with pytest.raises(LimitError, match="4194304"):
        assemble(image("a", AMD64), annotations={"a": "x" * (4 << 20)})
