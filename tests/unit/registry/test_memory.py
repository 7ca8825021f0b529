"""What is remembered of earlier pushes decides what is asked first, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lading.errors import ConflictError
from lading.oci.digest import Digest
from lading.record import replace
from lading.registry import memory as memories
from lading.registry.memory import FileMemory
from lading.registry.policy import TagPolicy, content_tag
from lading.registry.push import Job, Pushed, Pusher
from lading.registry.session import Session
from tests.registry_server import images
from tests.registry_server.images import Image
from tests.registry_server.server import Server

_MANIFESTS = "/v2/team/app/manifests/"
_IMAGE = images.manifest(1000)
_HEAD = f"HEAD {_MANIFESTS}{_IMAGE.root.digest}"
Push = Callable[..., Pushed]


@pytest.fixture
def memory(tmp_path: Path) -> FileMemory:
    return FileMemory(tmp_path / "memory")


@pytest.fixture
def push(session: Session, server: Server, memory: FileMemory) -> Push:
    """Pushes as another run would; `server.log` is that of the last push."""

    def run(*tags: str, image: Image = _IMAGE, keep: bool = True, **settings: object) -> Pushed:
        server.log.clear()
        job = Job(image.root, image.content, session.repository(server.address, "team/app"), tags)
        pusher = Pusher(memory=memory) if keep else Pusher()
        [pushed] = pusher.run([replace(job, **settings)])
        assert server.registry.violations == []
        return pushed

    return run


def test_new_tag_of_an_image_that_is_there_is_two_requests(push: Push, server: Server) -> None:
    push("a")
    assert push("b").moved == ("b",)
    assert server.lines == [_HEAD, f"PUT {_MANIFESTS}b"]
    # Now both are known.
    for tag in ("a", "b"):
        assert not push(tag).changed
        assert server.lines == [f"HEAD {_MANIFESTS}{tag}"]


def test_new_tags_beside_a_current_one_are_one_request_each(push: Push, server: Server) -> None:
    push("a")
    push("b", "a", "c")
    assert server.lines == [f"HEAD {_MANIFESTS}a", f"PUT {_MANIFESTS}b", f"PUT {_MANIFESTS}c"]
    assert not push("a", "b", "c").changed
    assert server.lines == [f"HEAD {_MANIFESTS}{tag}" for tag in "abc"]


def test_unchanged_images_are_one_request_a_reference_without_memory_too(
    push: Push, server: Server
) -> None:
    push("a", "b", keep=False)
    assert not push("a", "b").changed
    assert server.lines == [f"HEAD {_MANIFESTS}a", f"HEAD {_MANIFESTS}b"]


def test_tag_of_a_commit_is_two_requests_without_memory(push: Push, server: Server) -> None:
    push("a", keep=False)
    push("commit-1", keep=False, fresh=frozenset({"commit-1"}))
    assert server.lines == [_HEAD, f"PUT {_MANIFESTS}commit-1"]


def test_tag_that_somebody_else_moved_is_set_again(push: Push, server: Server) -> None:
    push("a")
    other = images.manifest(500, seed="other")
    push("a", image=other, keep=False)
    assert push("a").moved == ("a",)
    assert server.registry.repositories["team/app"].tags["a"] == str(_IMAGE.root.digest)


def test_image_that_was_deleted_is_sent_again(push: Push, server: Server) -> None:
    push("a")
    there = server.registry.repositories["team/app"]
    there.tags.clear()
    there.manifests.clear()
    there.blobs.clear()
    assert push("b").sent == 3
    assert server.registry.complete("team/app", there.tags["b"])
    there.blobs.clear()
    there.manifests.clear()
    there.tags.clear()
    assert push("a", "b").sent == 3
    assert server.registry.complete("team/app", there.tags["a"])


def test_tag_that_may_not_move_is_asked_for_whatever_is_remembered(
    push: Push, server: Server
) -> None:
    other = images.manifest(500, seed="other")
    push("v1", image=other, keep=False)
    push("a")
    with pytest.raises(ConflictError, match="v1 is immutable"):
        push("v1", policy=TagPolicy(mutable=("latest",)))
    content = content_tag(other.root.digest)
    push(content, image=other, keep=False)
    with pytest.raises(ConflictError, match="immutable"):
        push(content, fresh=frozenset({content}))
    assert server.registry.repositories["team/app"].tags["v1"] == str(other.root.digest)


def test_dry_run_asks_for_every_tag(
    push: Push, session: Session, server: Server, memory: FileMemory
) -> None:
    push("a")
    push("b", keep=False)
    repository = session.repository(server.address, "team/app")
    job = Job(_IMAGE.root, _IMAGE.content, repository, ("b",), fresh=frozenset({"b"}))
    [plan] = Pusher(dry_run=True, memory=memory).run([job])
    assert not plan.changed
    assert memory.tags(repository, _IMAGE.root.digest) == frozenset({"a"})


def test_unchanged_push_writes_no_file(push: Push, tmp_path: Path) -> None:
    push("a")
    [path] = (tmp_path / "memory").iterdir()
    before = path.stat()
    push("a")
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert path.stat().st_ino == before.st_ino


@pytest.mark.parametrize("content", [b"", b"\0\xff\n", b"sha256:x\n\n \n", b"x" * 5_000_000])
def test_damaged_memory_does_no_harm(push: Push, tmp_path: Path, content: bytes) -> None:
    push("a")
    [path] = (tmp_path / "memory").iterdir()
    path.write_bytes(content)
    assert not push("a").changed
    assert push("b").moved == ("b",)


def test_place_that_cannot_be_written_does_no_harm(
    session: Session, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    nowhere = FileMemory(tmp_path / "file" / "below")
    job = Job(_IMAGE.root, _IMAGE.content, session.repository(server.address, "app"), ("a",))
    assert Pusher(memory=nowhere).run([job])[0].changed
    assert not Pusher(memory=nowhere).run([job])[0].changed


def test_memory_is_bounded(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memories, "_REPOSITORIES", 8)
    memory = FileMemory(tmp_path)
    digests = [Digest.of(str(number).encode()) for number in range(100)]
    for number in range(40):
        repository = session.repository("localhost:1", f"app{number}")
        memory.note(repository, digests[0], ["a"])
        [path] = {path for path in tmp_path.iterdir() if path.stat().st_mtime > 1000}
        os.utime(path, (number, number))
    assert len(list(tmp_path.iterdir())) <= 8
    assert memory.tags(repository, digests[0]) == frozenset({"a"})
    for digest in digests:
        memory.note(repository, digest, ["a"])
    assert memory.tags(repository, digests[0]) is None
    assert memory.tags(repository, digests[-2]) == frozenset()
    assert memory.tags(repository, digests[-1]) == frozenset({"a"})


@pytest.mark.parametrize("home", ["", "relative"])
def test_without_a_home_nothing_is_remembered(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", home)
    assert memories.at_home() is memories.NOTHING
