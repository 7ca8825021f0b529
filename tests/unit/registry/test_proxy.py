"""Registries behind a forward proxy, which is named by the environment (http_proxy, no_proxy)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from lading.errors import DeniedError, InputError, LadingError, UnreachableError
from lading.http.origin import Origin
from lading.http.proxy import proxy_for
from lading.registry.credentials import Credential
from lading.registry.push import Job, Pusher
from lading.registry.session import Session
from tests.registry_server import images
from tests.registry_server.certificates import (
    ANOTHER_AUTHORITY,
    AUTHORITY,
    another_context,
    server_context,
)
from tests.registry_server.proxy import Proxy, serve_proxy
from tests.registry_server.registry import Registry
from tests.registry_server.server import Server, serve

_HOST = "registry.example.com"
#: user:sentinel
_AUTHORIZATION = "Basic dXNlcjpzZW50aW5lbA=="
_IMAGE = images.manifest(200_000)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=["http", "https"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(scheme: str) -> Iterator[Server]:
    registry = Registry(basic=("me", "let me in"))
    with serve(registry, tls=server_context() if scheme == "https" else None) as running:
        yield running


@pytest.fixture
def proxy(server: Server, scheme: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with serve_proxy(server.address, _AUTHORIZATION) as running:
        monkeypatch.setenv(f"{scheme}_proxy", f"http://user:sentinel@{running.address}")
        yield running


@pytest.fixture
def trace() -> list[str]:
    return []


@pytest.fixture
def behind(make_session: Callable[..., Session], scheme: str, trace: list[str]) -> Session:
    return make_session(
        insecure=scheme == "http",
        ca_file=str(AUTHORITY),
        find=lambda *_: Credential("me", "let me in"),
        trace=trace.append,
    )


def _push(session: Session, registry: str) -> None:
    repository = session.repository(registry, "app")
    Pusher().run([Job(_IMAGE.root, _IMAGE.content, repository, ("latest",))])


def test_push_goes_through_the_proxy(
    server: Server, proxy: Proxy, behind: Session, scheme: str, trace: list[str]
) -> None:
    _push(behind, _HOST)
    assert server.registry.complete("app", str(_IMAGE.root.digest))
    start = f"CONNECT {_HOST}:443" if scheme == "https" else f"HEAD http://{_HOST}/v2/app/"
    assert proxy.lines[0].startswith(start)
    # The proxy's login is the proxy's, the registry's is the registry's.
    assert not any("proxy-authorization" in item.headers for item in server.log)
    assert {item.headers["host"] for item in server.log} == {_HOST}
    seen = [headers.get("authorization", "") for _, _, headers in proxy.log]
    assert any(seen) == (scheme == "http")
    assert "sentinel" not in repr(trace)
    assert _AUTHORIZATION not in repr(trace)


def test_addresses_of_ipv6_are_in_brackets(
    make_session: Callable[..., Session], scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 9112, section 3.2.3; `http.client` does so since Python 3.13."""
    with serve(tls=another_context() if scheme == "https" else None) as server:
        with serve_proxy(server.address) as proxy:
            monkeypatch.setenv(f"{scheme}_proxy", proxy.address)
            session = make_session(insecure=scheme == "http", ca_file=str(ANOTHER_AUTHORITY))
            _push(session, "[fd00::1]:5000")
        assert server.registry.complete("app", str(_IMAGE.root.digest))
    start = "CONNECT [fd00::1]:5000" if scheme == "https" else "HEAD http://[fd00::1]:5000/v2/"
    assert proxy.lines[0].startswith(start)
    assert {headers["host"] for _, _, headers in proxy.log} == {"[fd00::1]:5000"}


def test_other_answers_of_success_open_a_tunnel(
    proxy: Proxy, behind: Session, server: Server
) -> None:
    """RFC 9110, section 9.3.6: any 2xx."""
    proxy.connected = 204
    _push(behind, _HOST)
    assert server.registry.complete("app", str(_IMAGE.root.digest))


@pytest.mark.parametrize("exceptions", [_HOST, ".example.com", "*", f"a.b, {_HOST}", "example.com"])
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_exceptions_are_not_sent_there(
    proxy: Proxy, behind: Session, monkeypatch: pytest.MonkeyPatch, exceptions: str, name: str
) -> None:
    monkeypatch.setenv(name, exceptions)
    monkeypatch.setattr("socket.getaddrinfo", _unresolved)
    with pytest.raises(UnreachableError, match="does not resolve"):
        _push(behind, _HOST)
    assert proxy.log == []


@pytest.mark.parametrize(
    ("exceptions", "registry", "excepted"),
    [
        ("10.1.2.3", "10.1.2.3:5000", True),
        ("10.1.2.3:5000", "10.1.2.3:5000", True),
        ("10.1.2.3:5001", "10.1.2.3:5000", False),
        (".example.com:5000", "a.example.com:5000", True),
        (".example.com:5001", "a.example.com:5000", False),
        ("192.168.0.0/16,10.0.0.0/8", "10.1.2.3:5000", True),
        ("10.0.0.1/8", "10.1.2.3:5000", True),
        ("10.0.0.0/8", "11.1.2.3:5000", False),
        ("10.0.0.0/8", "a.example.com", False),
        ("10.0.0.0/99", "10.1.2.3:5000", False),
        ("a/b", "a.example.com", False),
        ("fd00::1", "[fd00::1]:5000", True),
        ("[fd00::1]", "[fd00::1]:5000", True),
        ("[fd00::1]:5000", "[fd00::1]:5000", True),
        ("[fd00::1]:5001", "[fd00::1]:5000", False),
        ("fd00::/8", "[fd00::1]:5000", True),
        ("fd00::/8", "10.1.2.3:5000", False),
    ],
)
def test_addresses_and_networks_are_excepted(
    monkeypatch: pytest.MonkeyPatch, exceptions: str, registry: str, *, excepted: bool
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example.com:3128")
    monkeypatch.setenv("no_proxy", exceptions)
    assert (proxy_for(Origin.of_registry(registry)) is None) == excepted


def _unresolved(*arguments: object, **settings: object) -> object:
    raise socket.gaierror(-2, "Name or service not known")


def test_loopback_is_never_sent_there(server: Server, proxy: Proxy, behind: Session) -> None:
    _push(behind, server.address)
    assert proxy.log == []


def test_refused_login_at_the_proxy(
    server: Server, proxy: Proxy, behind: Session, trace: list[str]
) -> None:
    proxy.authorization = "Basic another"
    with pytest.raises(LadingError) as caught:
        _push(behind, _HOST)
    assert isinstance(caught.value, DeniedError)
    assert "proxy" in str(caught.value)
    assert "sentinel" not in f"{caught.value}{trace}"
    assert server.log == []


def test_proxy_that_is_away_is_named(
    server: Server, behind: Session, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve_proxy(server.address) as gone:
        pass
    monkeypatch.setenv(f"{scheme}_proxy", f"http://user:sentinel@{gone.address}")
    with pytest.raises(UnreachableError, match=f"through the proxy {gone.address}") as caught:
        _push(behind, _HOST)
    assert "sentinel" not in str(caught.value)


@pytest.mark.parametrize("text", ["socks5://h:1", "http://", "https://h", "http://h:99999"])
def test_proxy_that_is_none(
    behind: Session, scheme: str, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", text)
    with pytest.raises(InputError, match="proxy"):
        _push(behind, _HOST)
