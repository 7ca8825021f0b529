"""Digests."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.errors import InputError
from lading.oci.digest import Digest

HEX = "0123456789abcdef" * 4


@given(st.binary())
def test_the_digest_of_bytes_reads_back(data: bytes) -> None:
    digest = Digest.of(data)
    assert digest.hex == hashlib.sha256(data).hexdigest()
    assert Digest.parse(str(digest)) == digest


def test_sha512_is_known_too() -> None:
    assert Digest.parse(f"sha512:{HEX}{HEX}").algorithm == "sha512"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        HEX,
        f"sha256:{HEX}\n",
        f"sha256:{HEX.upper()}",
        f"sha256:{HEX[:-1]}",
        f"sha256:{HEX}0",
        f"sha512:{HEX}",
        f"SHA256:{HEX}",
        f"md5:{HEX[:32]}",
        "sha256:../../../etc/passwd",
        f"sha256:{HEX[:-3]}/..",
        f" sha256:{HEX}",
        None,
        7,
        [f"sha256:{HEX}"],
    ],
)
def test_nothing_but_a_registered_algorithm_and_its_hex_is_a_digest(text: object) -> None:
    """CVE-2024-3727: what is parsed becomes a path."""
    with pytest.raises(InputError, match="is not a digest"):
        Digest.parse(text)


@given(st.text())
def test_what_is_parsed_is_safe_as_a_file_name(text: str) -> None:
    try:
        digest = Digest.parse(text)
    except InputError:
        return
    assert digest.hex.isalnum()


def test_an_error_does_not_repeat_a_megabyte() -> None:
    with pytest.raises(InputError) as caught:
        Digest.parse("x" * 1_000_000)
    assert len(str(caught.value)) < 400
