"""Challenges, realms and tokens that a registry makes up."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lading.errors import DeniedError
from lading.registry.credentials import Credential
from lading.registry.session import Session
from tests.registry_server import images
from tests.registry_server.faults import Answer, Fault
from tests.registry_server.server import Server
from tests.unit.registry.hostile.play import PLACES, SECRET, USER, attempt, push

REALMS = {
    **{name: text for name, text in PLACES.items() if name != "with a password"},
    "empty": "",
    "relative": "/token",
    "no host": "http:///token",
    "a word": "token",
    "link-local": "http://169.254.169.254/latest/meta-data",
    "link-local name": "http://metadata.example.com/",
    "private": "http://10.0.0.1/token",
    "another scheme": "https://{own}/token",
}


@pytest.mark.parametrize("login", [True, False])
@pytest.mark.parametrize("name", REALMS)
def test_token_server_elsewhere_is_not_asked(
    make_session: Callable[..., Session],
    server: Server,
    stranger: Server,
    trace: list[str],
    name: str,
    login: bool,
) -> None:
    port = stranger.address.partition(":")[2]
    realm = REALMS[name].format(other=stranger.address, own=server.address, port=port)
    realm = realm.replace("\\", "\\\\")
    challenge = {"WWW-Authenticate": f'Bearer realm="{realm}",service="x",scope="a:b:c"'}
    server.script.add(Fault("*", "/v2/", Answer(401, challenge), times=0))
    session = make_session(
        find=lambda *_: Credential(USER, SECRET) if login else None, trace=trace.append
    )
    error = attempt(lambda: push(session, server, images.manifest(10)))
    assert isinstance(error, DeniedError)
    assert stranger.log == []
    assert len(server.log) == 1


CHALLENGES = [
    "",
    "Bearer",
    "Bearer realm",
    "Bearer realm=",
    'Bearer realm="',
    "Negotiate",
    "Digest realm=x, nonce=y",
    "Basic realm=" + "x" * 100_0,
    "Bearer " + 'a="b",' * 2000,
    ",,,,",
    '"Bearer"',
    'Bearer realm="http://{other}/token",realm="http://{own}/token"',
    'Basic realm="a", Bearer realm="http://{other}/token"',
    'Bearer service="x" realm="http://{other}/token"',
    "bearer REALM=http://{other}/token",
]


@pytest.mark.parametrize("text", CHALLENGES)
def test_odd_challenges_leak_nothing_and_end(
    session: Session, server: Server, stranger: Server, text: str
) -> None:
    headers = {"WWW-Authenticate": text.format(other=stranger.address, own=server.address)}
    server.script.add(Fault("*", "/v2/", Answer(401, headers), times=0))
    assert isinstance(attempt(lambda: push(session, server, images.manifest(10))), DeniedError)
    assert stranger.log == []
    assert len(server.log) <= 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"<html>",
        b'{"token":""}',
        b'{"token":5}',
        b'{"token":"a\\r\\nX-Evil: 1"}',
        b'{"token":"a b"}',
        b'{"token":"\\u00e9"}',
        b'{"token":"x","token":"y"}',
        b'{"token":"' + b"x" * 2_000_000 + b'"}',
        b'{"a":' * 50_000,
    ],
)
def test_odd_tokens_are_refused(session: Session, server: Server, body: bytes) -> None:
    challenge = {"WWW-Authenticate": f'Bearer realm="http://{server.address}/token"'}
    server.script.add(
        Fault("*", "/v2/", Answer(401, challenge), times=0),
        Fault("GET", "/token", Answer(200, {}, body), times=0),
    )
    assert isinstance(attempt(lambda: push(session, server, images.manifest(10))), DeniedError)
    assert server.count("GET /token") == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_token_server_does_not_redirect(
    session: Session, server: Server, stranger: Server, status: int
) -> None:
    challenge = {"WWW-Authenticate": f'Bearer realm="http://{server.address}/token"'}
    elsewhere = {"Location": f"http://{stranger.address}/token"}
    server.script.add(
        Fault("*", "/v2/", Answer(401, challenge), times=0),
        Fault("GET", "/token", Answer(status, elsewhere), times=0),
    )
    assert isinstance(attempt(lambda: push(session, server, images.manifest(10))), DeniedError)
    assert stranger.log == []


def test_allowed_token_server_is_asked_and_no_other(
    make_session: Callable[..., Session], server: Server, stranger: Server
) -> None:
    session = make_session(find=lambda *_: None, realms=[f"http://{stranger.address}/"])
    challenge = {"WWW-Authenticate": f'Bearer realm="http://{stranger.address}/token"'}
    server.script.add(Fault("*", "/v2/", Answer(401, challenge), times=0))
    assert isinstance(attempt(lambda: push(session, server, images.manifest(10))), DeniedError)
    assert len(stranger.log) == 1
