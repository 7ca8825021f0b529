"""Descriptors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.errors import CorruptError
from lading.oci import media_types
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.oci.platform import Platform

VALUE: dict[str, Any] = {
    "mediaType": media_types.MANIFEST,
    "digest": str(Digest.of(b"x")),
    "size": 1,
}
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)


def test_every_field_is_kept_also_those_that_are_not_known() -> None:
    value = VALUE | {
        "annotations": {"a": "1", "b": ""},
        "platform": {"architecture": "arm64", "os": "linux", "variant": "v8"},
        "artifactType": "application/x",
        "urls": ["https://example.com/blob"],
        "data": "eA==",
        "unknown": {"deep": [None]},
    }
    descriptor = Descriptor.from_json(value, what="d")
    assert descriptor.platform == Platform("linux", "arm64", "v8")
    assert descriptor.to_json() == value


@given(st.dictionaries(TEXT, TEXT), st.integers(0, 2**63), TEXT)
def test_json_reads_back(annotations: dict[str, str], size: int, artifact_type: str) -> None:
    descriptor = Descriptor(
        "t", Digest.of(b""), size, annotations, None, artifact_type, {"x": [size]}
    )
    assert Descriptor.from_json(descriptor.to_json(), what="d") == descriptor


def test_an_artifact_has_a_type_that_is_no_configs() -> None:
    for kind, found in {
        "": False,
        media_types.DOCKER_CONFIG: False,
        "application/spdx": True,
    }.items():
        assert Descriptor("t", Digest.of(b""), 0, artifact_type=kind).is_artifact is found


def test_a_descriptor_of_bytes() -> None:
    assert Descriptor.of("t", b"abc") == Descriptor("t", Digest.of(b"abc"), 3)


@pytest.mark.parametrize(
    "changes",
    [
        {"mediaType": None},
        {"mediaType": ""},
        {"digest": "sha256:x"},
        {"size": -1},
        {"size": 1.0},
        {"size": True},
        {"size": None},
        {"annotations": {"a": None}},
        {"annotations": "x"},
        {"platform": "linux/amd64"},
        {"artifactType": 1},
    ],
)
def test_malformed_descriptors_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(CorruptError, match=r"index\.json has"):
        Descriptor.from_json(VALUE | changes, what="index.json")


@pytest.mark.parametrize("value", [None, [], "x", 3])
def test_what_is_no_object_is_no_descriptor(value: object) -> None:
    with pytest.raises(CorruptError, match=r"index\.json"):
        Descriptor.from_json(value, what="index.json")
