"""Origins: what a URL may be, when it is plain HTTP, and how far inside an address is."""

from __future__ import annotations

import pytest

from lading.errors import InputError
from lading.http.origin import Nearness, Origin, nearness


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", Nearness.PUBLIC),
        ("2606:4700::1111", Nearness.PUBLIC),
        ("10.1.2.3", Nearness.PRIVATE),
        ("172.16.0.1", Nearness.PRIVATE),
        ("192.168.1.1", Nearness.PRIVATE),
        ("100.64.0.1", Nearness.PRIVATE),
        ("fd00::1", Nearness.PRIVATE),
        ("127.0.0.1", Nearness.LOOPBACK),
        ("127.8.9.10", Nearness.LOOPBACK),
        ("::1", Nearness.LOOPBACK),
        ("::ffff:127.0.0.1", Nearness.LOOPBACK),
        ("64:ff9b::8.8.8.8", Nearness.PUBLIC),
        ("64:ff9b::10.1.2.3", Nearness.PRIVATE),
        ("64:ff9b::127.0.0.1", Nearness.LOOPBACK),
        ("64:ff9b::169.254.169.254", Nearness.LINK_LOCAL),
        ("0.0.0.0", Nearness.LOOPBACK),
        ("::", Nearness.LOOPBACK),
        ("169.254.169.254", Nearness.LINK_LOCAL),
        ("fe80::1%eth0", Nearness.LINK_LOCAL),
        ("240.0.0.1", Nearness.LINK_LOCAL),
    ],
)
def test_addresses_are_classed_by_how_far_inside_they_are(address: str, expected: Nearness) -> None:
    assert nearness(address) == expected


@pytest.mark.parametrize(
    ("registry", "insecure", "expected"),
    [
        ("registry.example.com", False, "https://registry.example.com"),
        ("registry.example.com:5000", False, "https://registry.example.com:5000"),
        ("registry.example.com", True, "http://registry.example.com"),
        ("localhost:5000", False, "http://localhost:5000"),
        ("a.localhost:5000", False, "http://a.localhost:5000"),
        ("127.0.0.1:5000", False, "http://127.0.0.1:5000"),
        ("127.9.9.9", False, "http://127.9.9.9"),
        ("[::1]:5000", False, "http://[::1]:5000"),
        ("10.0.0.1:5000", False, "https://10.0.0.1:5000"),
        ("localhost.example.com", False, "https://localhost.example.com"),
        ("notlocalhost:5000", False, "https://notlocalhost:5000"),
    ],
)
def test_plain_http_is_for_loopback_or_on_demand(
    registry: str, insecure: bool, expected: str
) -> None:
    assert str(Origin.of_registry(registry, insecure=insecure)) == expected


@pytest.mark.parametrize(
    "url",
    [
        "http://a b/",
        "http://a/\r\nX: y",
        "http://user@host/",
        "http://:pw@host/",
        "http://host:0/",
        "http://host:x/",
        "http://[::1/",
        "http:/host",
        "file:///x",
        "",
        "host/path",
        "http://hést/",
    ],
)
def test_what_is_no_plain_url_is_refused(url: str) -> None:
    with pytest.raises(InputError):
        Origin.split(url)
