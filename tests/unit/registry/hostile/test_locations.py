"""Redirects, upload locations and links that lead elsewhere."""

from __future__ import annotations

import pytest

from lading.errors import UnreachableError
from lading.oci import media_types
from lading.oci.descriptor import Descriptor
from lading.registry import manifests, referrers
from lading.registry.content import RegistryContent
from lading.registry.credentials import Credential
from lading.registry.push import Job, Pusher
from lading.registry.referrers import list_referrers
from lading.registry.session import Session
from lading.registry.tags import list_tags
from tests.registry_server import images
from tests.registry_server.faults import Answer, Fault, Mangle
from tests.registry_server.server import Server
from tests.unit.registry.hostile.play import PLACES, SECRET, USER, attempt, place, pull, push


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_of_a_download_goes_without_credentials(
    session: Session, server: Server, stranger: Server, name: str, status: int
) -> None:
    push(session, server, images.manifest(1000))
    answer = Answer(status, {"Location": place(name, server, stranger)})
    server.script.add(Fault("GET", "/blobs/", answer, times=0))
    assert attempt(lambda: pull(session, server)) is not None


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("name", PLACES)
def test_redirect_of_a_manifest_goes_without_credentials(
    session: Session, server: Server, stranger: Server, name: str, method: str
) -> None:
    push(session, server, images.manifest(1000))
    answer = Answer(307, {"Location": place(name, server, stranger)})
    server.script.add(Fault(method, "/manifests/", answer, times=0))
    repository = session.repository(server.address, "app")
    verb = manifests.get if method == "GET" else manifests.head
    error = attempt(lambda: verb(repository, "latest"))
    # A 401 from elsewhere is not a challenge to us.
    assert error is not None


def test_redirect_there_and_back_stays_anonymous(
    session: Session, server: Server, stranger: Server
) -> None:
    """What another server sends back to the registry is not ours to sign."""
    push(session, server, images.manifest(1000))
    stranger.script.add(
        Fault(
            "GET", "/xback", Answer(302, {"Location": f"http://{server.address}/v2/app/tags/list"})
        )
    )
    server.script.add(
        Fault("GET", "/blobs/", Answer(302, {"Location": f"http://{stranger.address}/xback"}))
    )
    server.log.clear()
    assert attempt(lambda: pull(session, server)) is not None
    assert len(stranger.log) == 1
    assert server.log[-1].line == "GET /v2/app/tags/list"
    assert "authorization" not in server.log[-1].headers


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("name", PLACES)
def test_upload_does_not_go_elsewhere(
    session: Session, server: Server, stranger: Server, name: str, method: str
) -> None:
    mangle = Mangle({"Location": place(name, server, stranger)})
    server.script.add(Fault(method, "/blobs/uploads/", mangle, times=0))
    image = images.manifest(1000)
    repository = session.repository(server.address, "app")
    jobs = [Job(image.root, image.content, repository, ("latest",))]
    error = attempt(lambda: Pusher(chunk=400).run(jobs))
    assert isinstance(error, UnreachableError)
    assert stranger.log == []
    assert server.registry.repositories["app"].tags == {}


@pytest.mark.parametrize("name", PLACES)
def test_next_page_of_tags_does_not_lead_elsewhere(
    session: Session, server: Server, stranger: Server, name: str
) -> None:
    push(session, server, images.manifest(10))
    link = f'<{place(name, server, stranger)}>; rel="next"'
    server.script.add(Fault("GET", "/tags/list", Mangle({"Link": link})))
    error = attempt(lambda: list_tags(session.repository(server.address, "app")))
    assert isinstance(error, UnreachableError)
    assert stranger.log == []


@pytest.mark.parametrize("name", ["absolute", "without a scheme", "localhost", "https", "file"])
def test_next_page_of_referrers_does_not_lead_elsewhere(
    session: Session, server: Server, stranger: Server, name: str
) -> None:
    image = images.manifest(10)
    push(session, server, image)
    link = f'<{place(name, server, stranger)}>; rel="next"'
    server.script.add(Fault("GET", "/referrers/", Mangle({"Link": link})))
    repository = session.repository(server.address, "app")
    error = attempt(lambda: list_referrers(repository, image.root.digest))
    assert isinstance(error, UnreachableError)
    assert stranger.log == []


def test_pages_that_go_round_in_a_circle_end(session: Session, server: Server) -> None:
    push(session, server, images.manifest(10))
    link = Mangle({"Link": '</v2/app/tags/list>; rel="next"'})
    server.script.add(Fault("GET", "/tags/list", link, times=0))
    error = attempt(lambda: list_tags(session.repository(server.address, "app")))
    assert "circle" in str(error)


def test_pages_of_referrers_end(
    session: Session, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = images.manifest(10)
    push(session, server, image)
    digest = image.root.digest
    for number in range(3):
        push(session, server, images.manifest(10, seed=str(number), subject=image.root))
    repository = session.repository(server.address, "app")
    server.log.clear()
    link = Mangle({"Link": f'</v2/app/referrers/{digest}>; rel="next"'})
    server.script.add(Fault("GET", "/referrers/", link, times=0))
    assert "circle" in str(attempt(lambda: list_referrers(repository, digest)))
    assert len(server.lines) == 1
    server.script.clear()
    monkeypatch.setattr(referrers, "_MAX_REFERRERS", 2)
    assert "more than 2 referrers" in str(attempt(lambda: list_referrers(repository, digest)))


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "224.0.0.1"]
)
def test_redirect_further_inside_is_refused_before_it_is_followed(
    session: Session, server: Server, host: str
) -> None:
    push(session, server, images.manifest(10))
    answer = Answer(307, {"Location": f"http://{host}/latest/meta-data"})
    server.script.add(Fault("GET", "/blobs/", answer, times=0))
    error = attempt(lambda: pull(session, server))
    assert "link-local address" in str(error)


def test_credential_does_not_show_its_secrets() -> None:
    shown = repr(Credential(USER, SECRET, SECRET, SECRET))
    assert SECRET not in shown


def test_query_of_a_signed_address_is_not_shown(
    session: Session, server: Server, stranger: Server, trace: list[str]
) -> None:
    push(session, server, images.manifest(10))
    signed = f"http://{stranger.address}/x?signature={SECRET}"
    server.script.add(Fault("GET", "/blobs/", Answer(307, {"Location": signed}), times=0))
    stranger.script.add(Fault("GET", "/x", Answer(500), times=0))
    error = attempt(lambda: pull(session, server))
    assert error is not None
    assert any("/x: 500" in line for line in trace)
    stranger.log.clear()


def test_nothing_is_asked_of_a_descriptors_urls(
    session: Session, server: Server, stranger: Server
) -> None:
    layer = Descriptor(
        media_types.LAYER,
        Descriptor.of("", b"gone").digest,
        4,
        extra={"urls": [f"http://{stranger.address}/layer"]},
    )
    repository = session.repository(server.address, "app")
    assert attempt(lambda: RegistryContent(repository).open(layer)) is not None
    assert stranger.log == []
