"""Servers that keep to the specification in a way of their own, and logins that may do little.

What registries and the proxies before them are known to do; none of it is a reason not to push.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from lading.errors import ConflictError, DeniedError
from lading.oci.descriptor import Descriptor
from lading.registry import blobs, manifests, referrers
from lading.registry.credentials import Credential
from lading.registry.policy import TagPolicy
from lading.registry.push import Job, Pusher
from lading.registry.session import Session
from lading.registry.tags import list_tags
from tests.registry_server import images
from tests.registry_server.access import TokenAuth, refused
from tests.registry_server.faults import Answer, Fault, Mangle
from tests.registry_server.registry import Registry
from tests.registry_server.replies import Reply, error
from tests.registry_server.server import Server, serve, serve_tokens

Make = Callable[..., Session]
_IMAGE = images.manifest(30_000, 20_000)
_LAYER = Descriptor.from_json(json.loads(_IMAGE.data)["layers"][0], what="a layer")
_ME = Credential("me", "sentinel-90ab")


def _push(session: Session, server: Server, name: str = "app", **settings: Any) -> None:
    repository = session.repository(server.address, name)
    chunk = settings.pop("chunk", 0)
    job = Job(_IMAGE.root, _IMAGE.content, repository, ("v1",), **settings)
    Pusher(chunk=chunk).run([job])
    assert server.registry.complete(name, str(_IMAGE.root.digest))
    assert server.registry.repositories[name].tags["v1"] == str(_IMAGE.root.digest)
    assert server.registry.violations == []


class TestLoginThatMayOnlyWrite:
    """Deploy permission without read permission: looking is refused, sending is not."""

    def test_pushes(self, session: Session, server: Server) -> None:
        server.script.add(Fault("HEAD", ".", Answer(403), times=0))
        _push(session, server)

    def test_does_not_move_a_tag_that_may_not_move(self, session: Session, server: Server) -> None:
        server.script.add(Fault("HEAD", "/manifests/v1", Answer(403), times=0))
        with pytest.raises(DeniedError, match="403"):
            _push(session, server, policy=TagPolicy(mutable=()))
        assert server.count("PUT") == 0

    def test_that_may_nothing_is_refused(self, session: Session, server: Server) -> None:
        server.script.add(Fault("*", ".", Answer(403), times=0))
        with pytest.raises(DeniedError, match=r"cannot push sha256:.* says 403"):
            _push(session, server)


@pytest.mark.parametrize("status", [405, 501])
def test_registry_that_has_no_head(session: Session, server: Server, status: int) -> None:
    server.script.add(Fault("HEAD", ".", Answer(status), times=0))
    _push(session, server)
    assert manifests.head(session.repository(server.address, "app"), "v1") == _IMAGE.root.digest
    server.log.clear()
    _push(session, server)
    assert server.count("PUT") == 0


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_success_is_one_for_a_chunk(session: Session, server: Server, status: int) -> None:
    server.script.add(Fault("PATCH", "/blobs/uploads/", Mangle(status=status), times=0))
    _push(session, server, chunk=7000)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_success_is_one_for_a_manifest(session: Session, server: Server, status: int) -> None:
    server.script.add(Fault("PUT", "/manifests/", Mangle(status=status), times=0))
    _push(session, server)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize("chunk", [0, 7000])
def test_any_success_is_one_for_a_blob(
    session: Session, server: Server, status: int, chunk: int
) -> None:
    server.script.add(Fault("PUT", "/blobs/uploads/", Mangle(status=status), times=0))
    _push(session, server, chunk=chunk)


@pytest.mark.parametrize("status", [400, 403, 404, 405])
def test_storage_that_answers_no_head_does_not_end_a_push(
    session: Session, server: Server, status: int
) -> None:
    """An address that is signed for GET is no good for HEAD: the registry has the blob, perhaps."""
    with serve() as storage:
        storage.script.add(Fault("HEAD", "/signed", Answer(status), times=0))
        answer = Answer(307, {"Location": f"http://{storage.address}/signed?for=GET"})
        server.script.add(Fault("HEAD", "/blobs/", answer, times=0))
        _push(session, server)


@dataclass
class _SetOnce(Registry):
    """Tags that exist are not set again, not even to what they name."""

    status: int = 412

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        match = re.search(r"/v2/(.*)/manifests/([^:]+)$", target)
        if method == "PUT" and match and match[2] in self.repositories[match[1]].tags:
            return error(self.status, "PRECONDITION", "configured as immutable")
        return super().handle(method, target, headers, body)


@pytest.mark.parametrize("status", [400, 403, 409, 412])
def test_tag_that_is_set_once_is_set_though_the_answer_was_lost(
    session: Session, status: int
) -> None:
    with serve(_SetOnce(status=status)) as server:
        server.script.add(Fault("PUT", "/manifests/v1", Mangle(lost=True)))
        _push(session, server)


@pytest.mark.parametrize("status", [409, 412])
def test_tag_that_is_set_once_is_a_conflict(session: Session, status: int) -> None:
    with serve(_SetOnce(status=status)) as server:
        other = images.manifest(5)
        repository = session.repository(server.address, "app")
        Pusher().run([Job(other.root, other.content, repository, ("v1",))])
        with pytest.raises(ConflictError, match=f"{status} PRECONDITION .configured as immutable"):
            _push(session, server)


@dataclass
class _TwoRealms(Registry):
    """Every repository has a token server of its own, which knows no other."""

    realms: dict[str, TokenAuth] = field(default_factory=dict)

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        match = re.match(r"/v2/([a-z0-9]+)/", target)
        if match and (denied := refused(method, match[1], headers, None, self.realms[match[1]])):
            return denied
        return super().handle(method, target, headers, body)


def test_repositories_may_have_token_servers_of_their_own(make_session: Make) -> None:
    names = [f"app{number}" for number in range(6)]
    with contextlib.ExitStack() as stack:
        servers = {name: stack.enter_context(serve_tokens()) for name in names}
        registry = _TwoRealms(realms={name: one.auth for name, one in servers.items()})
        server = stack.enter_context(serve(registry))
        session = make_session(
            realms=[one.realm.removesuffix("/token") for one in servers.values()]
        )
        jobs = [
            Job(_IMAGE.root, _IMAGE.content, session.repository(server.address, name), ("v1",))
            for name in names
        ]
        Pusher().run(jobs)
        for name, one in servers.items():
            assert registry.complete(name, str(_IMAGE.root.digest))
            # Asked for two kinds of access at most: to push, and to mount as well.
            assert len(one.log) <= 8


def test_basic_is_taken_where_the_token_server_is_not_allowed(make_session: Make) -> None:
    with serve(Registry(basic=("me", _ME.password))) as server:
        both = 'Bearer realm="http://elsewhere.example/token", Basic realm="x"'
        challenge = Answer(401, {"WWW-Authenticate": both})
        server.script.add(Fault("HEAD", "/manifests/v1", challenge))
        _push(make_session(find=lambda *_: _ME), server)
        anonymous = make_session()
        server.script.add(Fault("HEAD", "/manifests/v2", challenge, times=0))
        with pytest.raises(DeniedError, match="elsewhere"):
            manifests.head(anonymous.repository(server.address, "app"), "v2")


def test_wrong_login_is_tried_once_where_there_are_two_ways(make_session: Make) -> None:
    with serve() as server:
        both = 'Bearer realm="http://elsewhere.example/token", Basic realm="x"'
        challenge = Answer(401, {"WWW-Authenticate": both})
        server.script.add(Fault("*", ".", challenge, times=0))
        with pytest.raises(DeniedError):
            _push(make_session(find=lambda *_: _ME), server)
        assert len(server.log) == 2


def test_page_of_tags_may_be_empty(session: Session, server: Server) -> None:
    _push(session, server)
    empty = Answer(
        200, {"Link": '</v2/app/tags/list?n=1>; rel="next"'}, b'{"name": "app", "tags": null}'
    )
    server.script.add(Fault("GET", "/tags/list", empty))
    assert list_tags(session.repository(server.address, "app")) == ["v1"]


@pytest.mark.parametrize("tag", [(), ("note",)])
def test_referrer_is_noted_though_its_push_was_interrupted(
    session: Session, tag: tuple[str, ...]
) -> None:
    """Its manifest had arrived, and was not yet in the list that stands for the API."""
    with serve(Registry(referrers_api=False)) as server:
        _push(session, server)
        note = images.manifest(9, subject=_IMAGE.root, artifact_type="application/x")
        repository = session.repository(server.address, "app")
        job = Job(note.root, note.content, repository, tag)
        server.script.add(Fault("GET", f"/manifests/sha256-{_IMAGE.root.digest.hex}", Answer(400)))
        with contextlib.suppress(Exception):
            Pusher().run([job])
        assert str(note.root.digest) in server.registry.repositories["app"].manifests
        assert referrers.list_referrers(repository, _IMAGE.root.digest) == []
        Pusher().run([job])
        [found] = referrers.list_referrers(repository, _IMAGE.root.digest)
        assert found.digest == note.root.digest


@dataclass
class _Hiding(Registry):
    """Does not say that there is more to see for whoever logs in, except where one asks for it."""

    login: tuple[str, str] = ("me", _ME.password)

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        if denied := refused(method, "", headers, self.login, None):
            return denied if target == "/v2/" else error(404, "NAME_UNKNOWN")
        return super().handle(method, target, headers, body)


def test_registry_that_hides_what_one_may_not_see_is_asked_for_its_challenge(
    make_session: Make,
) -> None:
    with serve(_Hiding()) as server:
        _push(make_session(find=lambda *_: _ME), server)
        repository = make_session(find=lambda *_: _ME).repository(server.address, "app")
        assert manifests.get(repository, "v1")[1] == _IMAGE.data
        with blobs.BlobReader(
            make_session(find=lambda *_: _ME).repository(server.address, "app"), _LAYER
        ) as reader:
            assert len(reader.read()) == _LAYER.size


def test_what_is_not_there_costs_one_question_more(session: Session, server: Server) -> None:
    repository = session.repository(server.address, "app")
    for _ in range(3):
        with contextlib.suppress(Exception):
            manifests.get(repository, "v1")
    assert server.lines == ["GET /v2/app/manifests/v1", "GET /v2/"] + server.lines[:1] * 2
