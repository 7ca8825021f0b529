"""Referrers in registries without the API: an index under the subject's tag, kept up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest

from lading.errors import ConflictError
from lading.oci import document, media_types
from lading.oci.descriptor import Descriptor
from lading.registry import referrers
from lading.registry.policy import content_tag
from lading.registry.push import Job, Pusher
from lading.registry.session import Session
from tests.registry_server import images
from tests.registry_server.registry import Registry
from tests.registry_server.replies import Reply
from tests.registry_server.server import serve

_SUBJECT = images.manifest(10)
_TAG = content_tag(_SUBJECT.root.digest)


@dataclass
class _Contested(Registry):
    """Somebody else writes the fallback index right after us, from what was there before."""

    referrers_api: bool = False
    #: How often that still happens.
    races: int = 0
    #: What the other one has added each time.
    others: list[Descriptor] = field(default_factory=list)

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        fallback = method == "PUT" and target.endswith(f"/manifests/{_TAG}")
        there = self.repositories["app"]
        before = there.manifests.get(there.tags.get(_TAG, ""), ("", b'{"manifests": []}'))[1]
        reply = super().handle(method, target, headers, body)
        if fallback and self.races:
            self.races -= 1
            other = images.manifest(self.races + 1, subject=_SUBJECT.root).root
            self.others.append(other)
            known = document.loads_object(before, what="index")["manifests"]
            index = document.dumps(
                {
                    "schemaVersion": 2,
                    "mediaType": media_types.INDEX,
                    "manifests": [*known, {**other.to_json(), "artifactType": "x/y"}],
                }
            )
            super().handle(method, target, headers, index)
        return reply


def _push(session: Session, address: str, image: images.Image, *tags: str) -> None:
    repository = session.repository(address, "app")
    Pusher().run([Job(image.root, image.content, repository, tags)])


def _note(number: int) -> images.Image:
    return images.manifest(number, subject=_SUBJECT.root, artifact_type=f"application/{number}")


@pytest.mark.parametrize("races", [1, 2, 3])
def test_what_others_write_in_between_is_not_lost_nor_is_ours(
    make_session: Callable[..., Session], races: int
) -> None:
    session = make_session()
    registry = _Contested()
    with serve(registry) as server:
        _push(session, server.address, _SUBJECT, "v1")
        first, second = _note(1), _note(2)
        _push(session, server.address, first)
        registry.races = races
        _push(session, server.address, second)
        repository = session.repository(server.address, "app")
        found = {item.digest for item in referrers.list_referrers(repository, _SUBJECT.root.digest)}
    assert registry.races == 0
    assert {first.root.digest, second.root.digest} <= found
    # The last one that somebody wrote stays; those before it they overwrote themselves.
    assert registry.others[-1].digest in found


def test_endless_contest_is_a_clear_error(make_session: Callable[..., Session]) -> None:
    session = make_session()
    registry = _Contested(races=1000)
    with serve(registry) as server:
        _push(session, server.address, _SUBJECT, "v1")
        with pytest.raises(ConflictError, match="others keep changing"):
            _push(session, server.address, _note(1))
    assert registry.races > 900


def test_digest_of_the_referrer_is_noted_with_its_type_and_annotations(
    make_session: Callable[..., Session],
) -> None:
    session = make_session()
    with serve(Registry(referrers_api=False)) as server:
        _push(session, server.address, _SUBJECT, "v1")
        note = _note(5)
        _push(session, server.address, note)
        _push(session, server.address, note)
        repository = session.repository(server.address, "app")
        [found] = referrers.list_referrers(repository, _SUBJECT.root.digest)
        puts = server.count(f"PUT /v2/app/manifests/{_TAG}")
    assert (found.digest, found.artifact_type) == (note.root.digest, "application/5")
    assert puts == 1


def test_referrer_is_kept_by_a_registry_that_says_so(make_session: Callable[..., Session]) -> None:
    session = make_session()
    with serve() as server:
        _push(session, server.address, _SUBJECT, "v1")
        _push(session, server.address, _note(1))
        assert server.count(f"PUT /v2/app/manifests/{_TAG}") == 0
        assert server.count(f"GET /v2/app/manifests/{_TAG}") == 0


def test_pushes_of_one_run_do_not_lose_each_others_referrers(
    make_session: Callable[..., Session],
) -> None:
    """Signatures of one image, pushed side by side, change the same fallback index."""
    notes = [_note(number) for number in range(20, 36)]
    with serve(Registry(referrers_api=False)) as server:
        session = make_session()
        _push(session, server.address, _SUBJECT, "v1")
        repository = session.repository(server.address, "app")
        Pusher().run([Job(note.root, note.content, repository) for note in notes])
        found = {item.digest for item in referrers.list_referrers(repository, _SUBJECT.root.digest)}
    assert found == {note.root.digest for note in notes}


def test_tag_of_an_image_is_not_overwritten_by_an_index(
    make_session: Callable[..., Session],
) -> None:
    with serve(Registry(referrers_api=False)) as server:
        session = make_session()
        _push(session, server.address, _SUBJECT, "v1")
        other = images.manifest(77)
        _push(session, server.address, other, _TAG)
        with pytest.raises(ConflictError, match="is an image"):
            _push(session, server.address, _note(1))
        assert server.registry.repositories["app"].tags[_TAG] == str(other.root.digest)
