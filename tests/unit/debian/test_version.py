"""The order of Debian versions, against the rules of deb-version(7) and against dpkg itself."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lading.debian.version import satisfies, version_key
from lading.errors import InputError

# Each is lower than the next.
ASCENDING = [
    "0~~",
    "0~",
    "0",
    "0+b1",
    "1.0~~",
    "1.0~~a",
    "1.0~",
    "1.0~rc1-1",
    "1.0",
    "1.0-1~deb13u1",
    "1.0-1",
    "1.0-1+b1",
    "1.0-1+deb13u1",
    "1.0-1.1",
    "1.0-2",
    "1.0-10",
    "1.0a",
    "1.0+dfsg",
    "1.0.1",
    "1.2-3",
    "1.10-1",
    "2024a-1",
    "1:0.1",
    "2:0",
    "10:0",
]


def test_order_is_that_of_deb_version() -> None:
    shuffled = ASCENDING[1::2] + ASCENDING[::2]
    assert sorted(shuffled, key=version_key) == ASCENDING
    assert len({version_key(version) for version in ASCENDING}) == len(ASCENDING)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1.0", "1.0-0"), ("1.0", "0:1.0"), ("1.0-1", "1.00-01"), ("1.", "1.0"), ("a", "a0")],
)
def test_equal_versions_in_different_spelling(one: str, other: str) -> None:
    assert version_key(one) == version_key(other)


@pytest.mark.parametrize(
    "text",
    ["", "-1", "1.0 ", "a:1", "1_0", "1.0-", "1:", "ü", "1\n", "1" * 5000, "1-" * 9000],
    ids=lambda text: ascii(text)[:20],
)
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        version_key(text)


def test_relations_include_or_exclude_equality() -> None:
    assert satisfies("1.0-1", ">=", "1.0-1")
    assert satisfies("1.0-1", "<=", "1.0-1")
    assert satisfies("1.0-1", "=", "1.0-1")
    assert not satisfies("1.0-1", ">>", "1.0-1")
    assert not satisfies("1.0-1", "<<", "1.0-1")
    assert satisfies("1.0-1", "<<", "1.0-1+b1")


_VERSIONS = st.from_regex(
    r"([0-2]:)?[0-9][0-9a-zA-Z.+~]{0,6}(-[0-9a-zA-Z.+~]{1,4})?", fullmatch=True
).filter(str.isascii)


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="needs dpkg to compare with")
@settings(max_examples=60, deadline=None)
@given(_VERSIONS, _VERSIONS)
def test_order_agrees_with_dpkg(one: str, other: str) -> None:
    done = subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False)
    assert done.returncode == (0 if version_key(one) < version_key(other) else 1)
