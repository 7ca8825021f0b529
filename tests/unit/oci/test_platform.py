"""Platforms."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.errors import CorruptError, InputError
from lading.oci.platform import Platform

WORDS = st.from_regex(r"[a-z0-9][a-z0-9_.-]*", fullmatch=True)


@given(WORDS, WORDS, st.just("") | WORDS)
def test_text_reads_back(os: str, architecture: str, variant: str) -> None:
    platform = Platform(os, architecture, variant)
    assert Platform.parse(str(platform)) == platform


@pytest.mark.parametrize(
    "text",
    ["", "linux", "linux/", "/amd64", "linux/arm/v7/x", "Linux/amd64", "linux/amd64\n", "a b/c"],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a platform"):
        Platform.parse(text)


@given(WORDS, WORDS, st.just("") | WORDS, st.just("") | WORDS, st.lists(WORDS, max_size=2))
def test_json_reads_back(
    os: str, arch: str, variant: str, version: str, feature: list[str]
) -> None:
    platform = Platform(os, arch, variant, version, tuple(feature))
    value = platform.to_json()
    assert Platform.from_json(value) == platform
    assert all(value.values())


@pytest.mark.parametrize(
    "value",
    [
        {"os": 1, "architecture": "x"},
        {"os": "linux", "architecture": None},
        {"os": "linux", "architecture": "x", "os.features": "abc"},
        {"os": "linux", "architecture": "x", "os.features": [1]},
        {"os": "linux", "architecture": "x", "variant": ["v8"]},
    ],
)
def test_fields_of_another_type_are_refused(value: dict[str, Any]) -> None:
    with pytest.raises(CorruptError, match="config"):
        Platform.from_json(value, what="config")
