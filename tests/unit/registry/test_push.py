"""Pushing: what is sent, in which order, and what is not sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lading.errors import ConflictError, CorruptError, LadingError, NotFoundError
from lading.oci import media_types
from lading.oci.content import FirstOf
from lading.oci.descriptor import Descriptor
from lading.record import replace
from lading.registry import looking
from lading.registry.content import RegistryContent
from lading.registry.policy import TagPolicy, content_tag
from lading.registry.progress import Outcome
from lading.registry.push import Job, Pushed, Pusher
from lading.registry.referrers import list_referrers
from lading.registry.session import Session
from tests.registry_server import images
from tests.registry_server.faults import Answer, Fault
from tests.registry_server.images import Image
from tests.registry_server.server import Server


def _push(
    session: Session,
    server: Server,
    image: Image,
    *tags: str,
    name: str = "team/app",
    **settings: object,
) -> Pushed:
    job = Job(image.root, image.content, session.repository(server.address, name), tags)
    [pushed] = Pusher().run([replace(job, **settings)])
    assert server.registry.violations == []
    return pushed


def test_push_of_new_image_sends_blobs_then_manifest_by_tag(
    session: Session, server: Server
) -> None:
    image = images.manifest(1000, 2000)
    pushed = _push(session, server, image, "latest")
    repository = server.registry.repositories["team/app"]
    assert repository.tags == {"latest": str(image.root.digest)}
    assert server.registry.complete("team/app", str(image.root.digest))
    assert (pushed.sent, pushed.existing, pushed.moved) == (4, 0, ("latest",))
    lines = server.lines
    last_blob = max(number for number, line in enumerate(lines) if "/blobs/" in line)
    assert lines.index("PUT /v2/team/app/manifests/latest") > last_blob


def test_push_of_unchanged_image_is_one_head_request(session: Session, server: Server) -> None:
    image = images.manifest(1000)
    _push(session, server, image, "latest")
    server.log.clear()
    pushed = _push(session, server, image, "latest")
    assert server.lines == ["HEAD /v2/team/app/manifests/latest"]
    assert not pushed.changed


def test_unchanged_image_without_tag_is_one_head_request(session: Session, server: Server) -> None:
    image = images.manifest(1000)
    _push(session, server, image)
    assert server.lines[-1] == f"PUT /v2/team/app/manifests/{image.root.digest}"
    server.log.clear()
    assert not _push(session, server, image).changed
    assert server.lines == [f"HEAD /v2/team/app/manifests/{image.root.digest}"]


def test_new_tag_beside_a_current_one_only_tags(session: Session, server: Server) -> None:
    image = images.manifest(1000)
    _push(session, server, image, "a")
    server.log.clear()
    assert _push(session, server, image, "a", "b").moved == ("b",)
    assert server.lines == [
        "HEAD /v2/team/app/manifests/a",
        "HEAD /v2/team/app/manifests/b",
        "PUT /v2/team/app/manifests/b",
    ]


def test_new_tag_alone_checks_the_digest_and_tags(session: Session, server: Server) -> None:
    image = images.manifest(1000)
    _push(session, server, image, "a")
    server.log.clear()
    _push(session, server, image, "b")
    assert server.lines == [
        "HEAD /v2/team/app/manifests/b",
        f"HEAD /v2/team/app/manifests/{image.root.digest}",
        "PUT /v2/team/app/manifests/b",
    ]


def test_one_changed_part_sends_only_that(session: Session, server: Server) -> None:
    _push(session, server, images.manifest(5000, 6000), "latest")
    before = server.registry.received
    pushed = _push(session, server, images.manifest(5000, 6000, seed="new"), "latest")
    assert (pushed.sent, pushed.existing) == (2, 2)
    assert server.registry.received - before < 1000


def test_index_goes_after_its_manifests_and_its_tag_last(session: Session, server: Server) -> None:
    children = [
        images.manifest(1000, platform="linux/amd64"),
        images.manifest(1000, platform="linux/arm64"),
    ]
    image = images.index(children)
    _push(session, server, image, "latest")
    puts = [line for line in server.lines if line.startswith("PUT /v2/team/app/manifests/")]
    assert puts == [
        *(f"PUT /v2/team/app/manifests/{child.root.digest}" for child in children),
        "PUT /v2/team/app/manifests/latest",
    ]
    assert server.registry.complete("team/app", str(image.root.digest))


def test_file_and_stream_give_the_same(session: Session, server: Server, tmp_path: Path) -> None:
    for name, directory in (("file", tmp_path), ("stream", None)):
        image = images.manifest(3_000_000, 0, 1, directory=directory)
        _push(session, server, image, "latest", name=name)
        assert server.registry.complete(name, str(image.root.digest))


def test_blob_shared_by_destinations_is_uploaded_once_and_mounted(
    session: Session, server: Server
) -> None:
    image = images.manifest(100_000)
    jobs = [
        Job(image.root, image.content, session.repository(server.address, name), ("latest",))
        for name in ("one", "two", "three")
    ]
    pushed = Pusher().run(jobs)
    assert (
        server.count("PUT /v2/one/blobs")
        + server.count("PUT /v2/two/blobs")
        + server.count("PUT /v2/three/blobs")
        == 2
    )
    assert sum(item.mounted for item in pushed) == 4
    assert all(
        server.registry.complete(name, str(image.root.digest)) for name in ("one", "two", "three")
    )


def test_layers_of_the_base_are_mounted_from_its_repository(
    session: Session, server: Server
) -> None:
    image = images.manifest(100_000)
    _push(session, server, image, "latest", name="base")
    before = server.registry.received
    pushed = _push(session, server, image, "latest", mounts=("base",))
    assert pushed.mounted == 2
    assert server.registry.received == before


def test_refused_mount_becomes_an_upload(session: Session, server: Server) -> None:
    image = images.manifest(100_000)
    _push(session, server, image, "latest", name="base")
    server.registry.mounts = False
    assert _push(session, server, image, "latest", mounts=("base",)).mounted == 0
    assert server.registry.complete("team/app", str(image.root.digest))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(400),
        Answer(403),
        Answer(404),
        Answer(405),
        Answer(500),
        Answer(307, {"Location": "/elsewhere"}),
        Answer(202),
        Answer(202, {"Location": "https://elsewhere.example.com/upload"}),
    ],
    ids=lambda answer: f"{answer.status} {answer.headers.get('Location', '')}",
)
def test_mount_that_is_answered_strangely_becomes_an_upload(
    session: Session, server: Server, answer: Answer
) -> None:
    image = images.manifest(100_000)
    _push(session, server, image, "latest", name="base")
    server.script.add(Fault("POST", "mount=", answer, times=0))
    assert _push(session, server, image, "latest", mounts=("base",)).mounted == 0
    assert server.registry.complete("team/app", str(image.root.digest))
    assert not any("elsewhere" in line for line in server.lines)


def test_layer_that_is_only_in_another_registry_is_streamed_from_there(
    session: Session, server: Server
) -> None:
    image = images.manifest(200_000)
    _push(session, server, image, "latest", name="base")
    layer = next(item for item in image.content.blobs if len(image.content.blobs[item]) == 200_000)
    del image.content.blobs[layer]
    source = RegistryContent(session.repository(server.address, "base"))
    content = FirstOf([image.content, source])
    _push(session, server, image, "latest", content=content)
    assert server.registry.complete("team/app", str(image.root.digest))


def test_missing_layer_is_named_and_nothing_is_tagged(session: Session, server: Server) -> None:
    image = images.manifest(200_000)
    layer = next(item for item in image.content.blobs if len(image.content.blobs[item]) == 200_000)
    del image.content.blobs[layer]
    with pytest.raises(NotFoundError, match=layer.hex):
        _push(session, server, image, "latest")
    assert server.registry.repositories["team/app"].tags == {}


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_wrong_content_is_never_stored(
    session: Session, server: Server, tmp_path: Path, kind: str
) -> None:
    image = images.manifest(200_000, directory=tmp_path if kind == "file" else None)
    layer = next(item for item in image.content.blobs if len(image.content.blobs[item]) == 200_000)
    image.content.blobs[layer] = b"x" * 200_000
    with pytest.raises(CorruptError, match=layer.hex):
        _push(session, server, image, "latest")
    repository = server.registry.repositories["team/app"]
    assert repository.tags == {}
    assert str(layer) not in repository.blobs


def test_the_largest_blob_is_begun_first(
    session: Session, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lading.registry.push._BLOBS", 1)
    _push(session, server, images.manifest(2000, 30_000, 1000, 20_000), "latest")
    sizes = [len(item.body) for item in server.log if "/blobs/uploads/" in item.target]
    sent = [size for size in sizes if size]
    assert sent[:3] == [30_000, 20_000, 2000]
    assert sent == sorted(sent, reverse=True)


def test_file_of_another_size_is_refused_before_it_is_sent(
    session: Session, server: Server, tmp_path: Path
) -> None:
    image = images.manifest(200_000, directory=tmp_path)
    layer = next(item for item in image.content.blobs if len(image.content.blobs[item]) == 200_000)
    image.content.blobs[layer] = b"x" * 100
    with pytest.raises(CorruptError, match="100 bytes"):
        _push(session, server, image, "latest")
    assert server.registry.received < 1000


@pytest.mark.parametrize("chunk", [1, 1000, 70_000, 99_999, 100_000, 100_001])
@pytest.mark.parametrize("kind", ["file", "stream"])
def test_chunks_arrive_in_order(
    session: Session, server: Server, tmp_path: Path, chunk: int, kind: str
) -> None:
    server.registry.chunk_max = chunk
    size = 100_000 if chunk > 100 else 7
    image = images.manifest(size, directory=tmp_path if kind == "file" else None)
    # The config has a size of its own; it has to be there to be left alone.
    config = next(data for data in image.content.blobs.values() if data.startswith(b'{"arch'))
    server.registry.repositories["team/app"].blobs[str(Descriptor.of("", config).digest)] = config
    job = Job(image.root, image.content, session.repository(server.address, "team/app"), ("t",))
    Pusher(chunk=chunk).run([job])
    assert server.registry.complete("team/app", str(image.root.digest))
    assert server.count("PATCH") == (0 if chunk >= size else -(-size // chunk))


def test_least_chunk_of_the_registry_is_respected(session: Session, server: Server) -> None:
    server.registry.chunk_min = 30_000
    image = images.manifest(100_000)
    job = Job(image.root, image.content, session.repository(server.address, "app"), ("t",))
    Pusher(chunk=1000).run([job])
    assert server.registry.complete("app", str(image.root.digest))
    sizes = [len(item.body) for item in server.log if item.method == "PATCH"]
    assert sizes == [30_000, 30_000, 30_000, 10_000]


@pytest.mark.parametrize("absolute", [True, False])
def test_location_may_be_absolute_or_relative(
    session: Session,
    server: Server,
    absolute: bool,
) -> None:
    server.registry.absolute = f"http://{server.address}" if absolute else ""
    image = images.manifest(1000)
    _push(session, server, image, "latest")
    assert server.registry.complete("team/app", str(image.root.digest))


def test_manifest_content_type_is_its_media_type(session: Session, server: Server) -> None:
    _push(session, server, images.index([images.manifest(10)]), "latest")
    types = [
        item.headers["content-type"]
        for item in server.log
        if "PUT" in item.method and "/manifests/" in item.target
    ]
    assert types == [media_types.MANIFEST, media_types.INDEX]


def test_dry_run_sends_nothing(session: Session, server: Server) -> None:
    image = images.manifest(5000)
    job = Job(image.root, image.content, session.repository(server.address, "app"), ("t",))
    [plan] = Pusher(dry_run=True).run([job])
    assert (plan.sent, plan.moved) == (3, ("t",))
    assert {item.method for item in server.log} == {"HEAD"}


def test_many_unchanged_images_are_one_request_each(session: Session, server: Server) -> None:
    jobs = []
    for number in range(30):
        image = images.manifest(100, seed=str(number))
        repository = session.repository(server.address, f"app{number}")
        jobs.append(Job(image.root, image.content, repository, ("latest",)))
    Pusher().run(jobs)
    server.log.clear()
    results = Pusher().run(jobs)
    assert not any(result.changed for result in results)
    assert [result.job for result in results] == jobs
    assert len(server.log) == 30


def test_failure_of_one_job_ends_the_run(session: Session, server: Server) -> None:
    good, bad = images.manifest(100), images.manifest(200)
    bad.content.blobs.clear()
    jobs = [
        Job(item.root, item.content, session.repository(server.address, name), ("t",))
        for item, name in ((bad, "bad"), (good, "good"))
    ]
    with pytest.raises(LadingError):
        Pusher().run(jobs)
    assert server.registry.repositories["bad"].tags == {}


class TestTagPolicy:
    def test_immutable_tag_does_not_move(self, session: Session, server: Server) -> None:
        policy = TagPolicy(mutable=("latest",))
        old, new = images.manifest(10, seed="old"), images.manifest(10, seed="new")
        _push(session, server, old, "v1", "latest", policy=policy)
        with pytest.raises(ConflictError, match="v1 is immutable"):
            _push(session, server, new, "latest", "v1", policy=policy)
        tags = server.registry.repositories["team/app"].tags
        assert tags == {"v1": str(old.root.digest), "latest": str(old.root.digest)}

    def test_immutable_tag_may_be_pushed_again(self, session: Session, server: Server) -> None:
        policy = TagPolicy(mutable=())
        image = images.manifest(10)
        _push(session, server, image, "v1", policy=policy)
        assert not _push(session, server, image, "v1", policy=policy).changed

    def test_immutable_tag_that_another_push_sets_meanwhile_does_not_move(
        self,
        make_session: Callable[..., Session],
        server: Server,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The slower of two pushes ends without the tag, and the faster one's image keeps it."""
        monkeypatch.setattr(looking, "_FRESH", 0)
        faster = images.manifest(10, seed="faster")

        class Meanwhile:
            def begin(self, descriptor: Descriptor) -> None:
                _push(make_session(), server, faster, "v1")

            def advance(self, descriptor: Descriptor, size: int) -> None:
                pass

            def end(self, descriptor: Descriptor, outcome: Outcome) -> None:
                pass

        slower = images.manifest(10, seed="slower")
        repository = make_session().repository(server.address, "team/app")
        policy = TagPolicy(mutable=("latest",))
        job = Job(slower.root, slower.content, repository, ("v1",), policy=policy)
        with pytest.raises(ConflictError, match="immutable"):
            Pusher(progress=Meanwhile()).run([job])
        assert server.registry.repositories["team/app"].tags["v1"] == str(faster.root.digest)

    def test_tag_outside_the_allowed_ones_is_refused_before_anything_is_sent(
        self, session: Session, server: Server
    ) -> None:
        with pytest.raises(ConflictError, match="latest"):
            _push(session, server, images.manifest(10), "latest", policy=TagPolicy(allowed=("v*",)))
        assert server.log == []

    @pytest.mark.parametrize(
        "policy", [TagPolicy(allowed=("latest",)), TagPolicy(mutable=("latest",))]
    )
    def test_one_tag_that_may_not_be_set_keeps_every_job_from_being_sent(
        self, session: Session, server: Server, policy: TagPolicy
    ) -> None:
        _push(session, server, images.manifest(10, seed="old"), "v1")
        server.log.clear()
        repository = session.repository(server.address, "team/app")
        first, second = images.manifest(10, seed="first"), images.manifest(10, seed="second")
        jobs = [
            Job(first.root, first.content, repository, ("latest",), policy=policy),
            Job(second.root, second.content, repository, ("v1",), policy=policy),
        ]
        with pytest.raises(ConflictError, match="v1"):
            Pusher().run(jobs)
        assert {line.partition(" ")[0] for line in server.lines} <= {"HEAD"}

    def test_content_tag_never_moves(self, session: Session, server: Server) -> None:
        old, new = images.manifest(10, seed="old"), images.manifest(10, seed="new")
        _push(session, server, old, content_tag(new.root.digest))
        with pytest.raises(ConflictError, match="immutable"):
            _push(session, server, new, content_tag(new.root.digest))


class TestSubject:
    @pytest.mark.parametrize("api", [True, False])
    def test_referrer_is_found_from_its_subject(
        self,
        session: Session,
        server: Server,
        api: bool,
    ) -> None:
        server.registry.referrers_api = api
        image = images.manifest(10)
        _push(session, server, image, "latest")
        notes = [
            images.manifest(20, seed=kind, subject=image.root, artifact_type=f"application/{kind}")
            for kind in ("sbom", "signature")
        ]
        for note in notes:
            _push(session, server, note)
            _push(session, server, note)
        repository = session.repository(server.address, "team/app")
        found = list_referrers(repository, image.root.digest)
        assert {item.digest for item in found} == {note.root.digest for note in notes}
        assert [
            item.digest
            for item in list_referrers(
                repository, image.root.digest, artifact_type="application/sbom"
            )
        ] == [notes[0].root.digest]

    def test_referrer_of_an_image_with_a_content_tag_does_not_take_its_place(
        self, session: Session, server: Server
    ) -> None:
        server.registry.referrers_api = False
        image = images.manifest(10)
        tag = content_tag(image.root.digest)
        _push(session, server, image, tag)
        with pytest.raises(ConflictError, match="the image itself"):
            _push(session, server, images.manifest(20, subject=image.root))
        assert server.registry.repositories["team/app"].tags[tag] == str(image.root.digest)


def test_sessions_are_shared_between_threads(
    make_session: Callable[..., Session], server: Server
) -> None:
    image = images.manifest(*range(1000, 1040))
    _push(make_session(), server, image, "latest")
    assert server.registry.complete("team/app", str(image.root.digest))


class TestTwoImagesForOneTag:
    def _jobs(self, session: Session, server: Server, *images_: Image) -> list[Job]:
        repository = session.repository(server.address, "app")
        return [Job(image.root, image.content, repository, ("v1",)) for image in images_]

    def test_are_refused_before_anything_is_sent(self, session: Session, server: Server) -> None:
        jobs = self._jobs(session, server, images.manifest(1), images.manifest(2))
        with pytest.raises(ConflictError, match="app:v1 cannot name both"):
            Pusher().run(jobs)
        assert server.log == []

    def test_that_are_the_same_are_fine(self, session: Session, server: Server) -> None:
        Pusher().run(self._jobs(session, server, images.manifest(1), images.manifest(1)))
        assert "v1" in server.registry.repositories["app"].tags


def test_connections_are_kept_and_shared(session: Session, server: Server) -> None:
    jobs = [
        Job(image.root, image.content, session.repository(server.address, f"app{number}"), ("t",))
        for number in range(30)
        for image in [images.manifest(1000, seed=str(number))]
    ]
    Pusher().run(jobs)
    assert len(server.log) > 200
    # As many as are used at once: eight images, four blobs.
    assert len({exchange.connection for exchange in server.log}) <= 12
    server.log.clear()
    Pusher().run(jobs)
    assert len({exchange.connection for exchange in server.log}) <= 8
