"""What a person who is refused is told: to log in, with another login, or nothing of the kind.

And what is not believed at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lading.errors import CorruptError, DeniedError, NotFoundError
from lading.registry import manifests
from lading.registry.credentials import Credential, anonymous
from lading.registry.push import Job, Pusher
from lading.registry.session import Session
from tests.registry_server import images
from tests.registry_server.faults import Answer, Fault
from tests.registry_server.registry import Registry
from tests.registry_server.server import Server, TokenServer, serve, serve_tokens

_KNOWN = Credential("me", "sentinel-5c1d", source="the file of logins")
Make = Callable[..., Session]


@pytest.fixture
def token_server() -> Iterator[TokenServer]:
    with serve_tokens(users={"me": _KNOWN.password}) as running:
        yield running


@pytest.fixture
def guarded(token_server: TokenServer) -> Iterator[Server]:
    with serve(Registry(token=token_server.auth)) as running:
        yield running


def _refused(
    make_session: Make, server: Server, realm: str = "", find: object = anonymous
) -> DeniedError:
    session = make_session(find=find, realms=[realm.removesuffix("/token")] if realm else [])
    image = images.manifest(10)
    job = Job(image.root, image.content, session.repository(server.address, "app"), ("v1",))
    with pytest.raises(DeniedError) as caught:
        Pusher().run([job])
    assert _KNOWN.password not in str(caught.value)
    return caught.value


def test_nobody_is_told_to_log_in(
    make_session: Make, guarded: Server, token_server: TokenServer
) -> None:
    guarded.script.add(Fault("POST", "/uploads/", Answer(403), times=0))
    error = _refused(make_session, guarded, token_server.realm)
    assert "says 403" in error.what
    assert f"docker login {guarded.address}" in error.fix


def test_nobody_whom_the_token_server_refuses_is_told_to_log_in(
    make_session: Make, guarded: Server, token_server: TokenServer
) -> None:
    token_server.anonymous = False
    error = _refused(make_session, guarded, token_server.realm)
    assert "refuses anonymous access with 401" in error.what
    assert f"docker login {guarded.address}" in error.fix


def test_somebody_is_told_which_login_does_not_suffice(
    make_session: Make, guarded: Server, token_server: TokenServer
) -> None:
    guarded.script.add(Fault("POST", "/uploads/", Answer(403), times=0))
    error = _refused(make_session, guarded, token_server.realm, lambda *_: _KNOWN)
    assert error.fix == "the login found in the file of logins may not do that"


def test_somebody_whose_password_is_another_is_told_which_login_that_was(
    make_session: Make,
) -> None:
    with serve(Registry(basic=("me", "sentinel-77aa"))) as server:
        error = _refused(make_session, server, find=lambda *_: _KNOWN)
        assert error.fix.startswith("the login found in the file of logins may not do that; ")
        assert f"docker login {server.address}" in error.fix


def test_where_nobody_was_asked_who_he_is_a_login_does_not_help(
    make_session: Make, server: Server
) -> None:
    server.script.add(Fault("POST", "/uploads/", Answer(403), times=0))
    assert _refused(make_session, server).fix == ""


def test_what_is_not_there_may_be_what_one_must_not_see(make_session: Make, server: Server) -> None:
    with pytest.raises(NotFoundError, match="says 404") as caught:
        manifests.get(make_session().repository(server.address, "ap"), "v1")
    assert "check the name" in caught.value.fix


@pytest.mark.parametrize("path", ["/blobs/uploads/", "/manifests/v1"])
def test_that_right_content_is_damaged_is_doubted_once(
    make_session: Make, server: Server, path: str
) -> None:
    """docker-registry says so when it reads what another push is writing at the same time."""
    refusal = Answer(400, body=b'{"errors": [{"code": "DIGEST_INVALID"}]}')
    repository = make_session().repository(server.address, "app")

    def push(seed: str) -> None:
        image = images.manifest(10, seed=seed)
        Pusher().run([Job(image.root, image.content, repository, ("v1",))])

    server.script.add(Fault("PUT", path, refusal))
    push("one")
    server.script.add(Fault("PUT", path, refusal, times=0))
    with pytest.raises(CorruptError, match="DIGEST_INVALID"):
        push("two")
    # Layer and config are sent at the same time.
    assert server.script.happened <= 5
