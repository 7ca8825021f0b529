"""Addresses of remote caches."""

from __future__ import annotations

import pytest

from lading.cas import address
from lading.errors import InputError


@pytest.mark.parametrize(
    ("text", "target", "encrypted"),
    [
        ("grpc://127.0.0.1:9092", "127.0.0.1:9092", False),
        ("grpcs://cache.example.com", "cache.example.com:443", True),
        ("grpcs://cache.example.com/", "cache.example.com:443", True),
        ("cache.example.com:8980", "cache.example.com:8980", True),
        ("grpc://[::1]:9092", "[::1]:9092", False),
        ("grpc://[::1]", "[::1]:80", False),
        ("unix:/run/cache.sock", "unix:/run/cache.sock", False),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", False),
        ("https://cache.example.com/team/", "cache.example.com", True),
        ("unix:///run/cache.sock", "unix:/run/cache.sock", False),
    ],
)
def test_addresses_mean_what_they_mean_to_bazel(text: str, target: str, encrypted: bool) -> None:
    parsed = address.parse(text)
    assert (parsed.target, parsed.encrypted) == (target, encrypted)


@pytest.mark.parametrize(
    ("text", "http", "loopback"),
    [
        ("grpc://127.0.0.1:9092", False, True),
        ("grpc://[::1]", False, True),
        ("grpcs://cache.example.com", False, False),
        ("unix:/run/cache.sock", False, True),
        ("http://localhost:8080", True, True),
        ("https://cache.example.com/team", True, False),
    ],
)
def test_what_is_spoken_and_how_far_away_it_is(text: str, http: bool, loopback: bool) -> None:
    parsed = address.parse(text)
    assert (parsed.speaks_http, parsed.is_loopback) == (http, loopback)


def test_address_reads_back() -> None:
    for text in (
        "grpc://127.0.0.1:9092",
        "grpcs://cache.example.com:443",
        "unix:/run/cache.sock",
        "http://127.0.0.1:8080",
        "https://cache.example.com/team/main",
    ):
        assert str(address.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ftp://cache.example.com",
        "grpc://",
        "grpc://a b",
        "grpc://h/path",
        "http://",
        "http://a b",
        "http://h:99999",
        "http://h\\p",
        "https://h/p#f",
        "https://h/p?q",
        "https://h:0",
    ],
)
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        address.parse(text)


def test_password_in_a_wrong_address_is_not_repeated() -> None:
    for scheme in ("grpcs", "http", "https", "ftp"):
        with pytest.raises(InputError) as caught:
            address.parse(f"{scheme}://user:secret@cache.example.com")
        assert "secret" not in str(caught.value)
