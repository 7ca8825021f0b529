"""Tokens that end in the middle of a push; a registry that restarts in the middle of one."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest

from lading.errors import DeniedError, LadingError
from lading.registry.credentials import Credential
from lading.registry.push import Job, Pusher
from lading.registry.session import Session
from tests.registry_server import images
from tests.registry_server.faults import Answer, Fault, ShutOut
from tests.registry_server.registry import Registry
from tests.registry_server.replies import Reply
from tests.registry_server.server import Server, TokenServer, serve, serve_tokens

_SIZES = (10_000, 20_000)
_STEPS = {
    "look for the tag": ("HEAD", "/manifests/latest"),
    "look for a blob": ("HEAD", "/blobs/sha256"),
    "open a session": ("POST", "/blobs/uploads/"),
    "send a blob": ("PUT", "/blobs/uploads/"),
    "set the tag": ("PUT", "/manifests/latest"),
}
_PASSWORD = "sentinel-1b5e"


def _push(session: Session, address: str) -> str:
    image = images.manifest(*_SIZES)
    repository = session.repository(address, "app")
    Pusher().run([Job(image.root, image.content, repository, ("latest",))])
    return str(image.root.digest)


def _pushed(registry: Registry, digest: str) -> None:
    assert registry.repositories["app"].tags["latest"] == digest
    assert registry.complete("app", digest)
    assert registry.violations == []


@pytest.fixture
def token_server() -> Iterator[TokenServer]:
    with serve_tokens(users={"me": _PASSWORD}, anonymous=False) as running:
        yield running


@pytest.fixture
def guarded(token_server: TokenServer) -> Iterator[Server]:
    with serve(Registry(token=token_server.auth)) as running:
        yield running


@pytest.fixture
def known(make_session: Callable[..., Session], token_server: TokenServer) -> Session:
    return make_session(
        find=lambda *_: Credential("me", _PASSWORD),
        realms=[token_server.realm.removesuffix("/token")],
    )


@pytest.fixture
def old(guarded: Server, token_server: TokenServer, known: Session) -> str:
    """The digest of an older image at the tag, pushed by the session: it has a token by then."""
    image = images.manifest(10, seed="old")
    repository = known.repository(guarded.address, "app")
    Pusher().run([Job(image.root, image.content, repository, ("latest",))])
    assert len(token_server.log) == 1  # for pull and push at once
    token_server.log.clear()
    return str(image.root.digest)


@pytest.mark.usefixtures("old")
class TestToken:
    @pytest.mark.parametrize(
        ("step", "nth"),
        [*((step, 1) for step in _STEPS), ("look for a blob", 2), ("send a blob", 2)],
    )
    def test_one_that_is_revoked_is_renewed(
        self, guarded: Server, token_server: TokenServer, known: Session, step: str, nth: int
    ) -> None:
        guarded.script.add(Fault(*_STEPS[step], ShutOut(), nth=nth))
        _pushed(guarded.registry, _push(known, guarded.address))
        assert guarded.script.happened == 1
        assert 1 <= len(token_server.log) <= 4

    @pytest.mark.parametrize("uses", [2, 3, 5])
    def test_one_that_is_good_for_few_requests_is_renewed(
        self, guarded: Server, token_server: TokenServer, known: Session, uses: int
    ) -> None:
        # One blob only: with several at once, others use up the token that one has asked for.
        token_server.auth.uses = uses
        image = images.manifest()
        repository = known.repository(guarded.address, "app")
        Pusher().run([Job(image.root, image.content, repository, ("latest",))])
        _pushed(guarded.registry, str(image.root.digest))
        assert len(token_server.log) >= 1

    def test_one_that_is_good_for_a_single_request_ends_in_an_error(
        self, guarded: Server, token_server: TokenServer, known: Session, old: str
    ) -> None:
        token_server.auth.uses = 1
        with pytest.raises(DeniedError):
            _push(known, guarded.address)
        assert guarded.registry.repositories["app"].tags["latest"] == old
        assert len(token_server.log) < 40

    @pytest.mark.parametrize("step", _STEPS)
    def test_without_another_the_tag_stays(
        self, guarded: Server, token_server: TokenServer, known: Session, old: str, step: str
    ) -> None:
        guarded.script.add(Fault(*_STEPS[step], ShutOut()))
        token_server.script.add(Fault("GET", "/token", Answer(403), times=0))
        with pytest.raises(DeniedError) as caught:
            _push(known, guarded.address)
        assert _PASSWORD not in str(caught.value)
        assert len(str(caught.value).splitlines()) <= 2
        assert guarded.registry.repositories["app"].tags["latest"] == old


@dataclass
class _Mortal(Registry):
    """A registry whose process ends at the request number `at`; its uploads end with it."""

    at: int = 0
    end: Callable[[], None] = lambda: None
    requests: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        if next(self.requests) == self.at:
            self.end()
            self.forget_uploads()
            return Reply(503)
        return super().handle(method, target, headers, body)


#: Requests of one push of the image.
_REQUESTS = 12


class TestRestart:
    @pytest.mark.parametrize("at", range(1, _REQUESTS + 1))
    def test_is_survived_at_every_request(
        self, make_session: Callable[..., Session], at: int
    ) -> None:
        registry = _Mortal(at=at)
        down, back = threading.Event(), threading.Lock()
        with contextlib.ExitStack() as second, contextlib.ExitStack() as first:
            server = first.enter_context(serve(registry))
            port = int(server.address.partition(":")[2])
            pauses = itertools.count()

            def end() -> None:
                first.close()
                down.set()

            def sleep(_: float) -> None:
                """The pause before another attempt: long enough for the registry to be back."""
                assert down.wait(5)
                with back:
                    if next(pauses) == 0:
                        second.enter_context(serve(registry, port=port))

            registry.end = end
            digest = _push(make_session(sleep=sleep), server.address)
            _pushed(registry, digest)
            assert down.is_set()

    def test_that_never_ends_is_a_clear_error(self, make_session: Callable[..., Session]) -> None:
        registry = _Mortal(at=4)
        with contextlib.ExitStack() as first:
            server = first.enter_context(serve(registry))
            registry.end = first.close
            with pytest.raises(LadingError) as caught:
                _push(make_session(), server.address)
        assert len(str(caught.value).splitlines()) <= 2
        assert "latest" not in registry.repositories["app"].tags


class TestMount:
    """The token for a mount reads the source as well; without that right the blob is sent."""

    def _mount(self, known: Session, guarded: Server) -> int:
        image = images.manifest(*_SIZES)
        base = known.repository(guarded.address, "base")
        Pusher().run([Job(image.root, image.content, base, ("latest",))])
        guarded.registry.received = 0
        repository = known.repository(guarded.address, "app")
        job = Job(image.root, image.content, repository, ("latest",), mounts=("base",))
        [pushed] = Pusher().run([job])
        _pushed(guarded.registry, str(image.root.digest))
        return pushed.mounted

    def test_with_the_right_to_read_the_source(
        self, known: Session, guarded: Server, token_server: TokenServer
    ) -> None:
        assert self._mount(known, guarded) == 3
        assert guarded.registry.received == 0
        scopes = [parse_qs(urlsplit(item.target).query)["scope"] for item in token_server.log]
        assert ["repository:app:pull,push", "repository:base:pull"] in scopes
        assert all(" " not in scope for asked in scopes for scope in asked)

    @pytest.mark.parametrize("status", [400, 401, 403])
    def test_with_a_token_server_that_refuses_all_of_it(
        self, known: Session, guarded: Server, token_server: TokenServer, status: int
    ) -> None:
        token_server.script.add(Fault("GET", "repository%3Abase%3Apull", Answer(status), times=0))
        image = images.manifest(*_SIZES)
        repository = known.repository(guarded.address, "app")
        job = Job(image.root, image.content, repository, ("latest",), mounts=("base",))
        assert Pusher().run([job])[0].mounted == 0
        _pushed(guarded.registry, str(image.root.digest))
        assert token_server.script.happened

    def test_without_it(self, known: Session, guarded: Server, token_server: TokenServer) -> None:
        image = images.manifest(*_SIZES)
        base = known.repository(guarded.address, "base")
        Pusher().run([Job(image.root, image.content, base, ("latest",))])
        token_server.grant = {"app:pull", "app:push"}
        repository = known.repository(guarded.address, "app")
        job = Job(image.root, image.content, repository, ("latest",), mounts=("base",))
        assert Pusher().run([job])[0].mounted == 0
        _pushed(guarded.registry, str(image.root.digest))
