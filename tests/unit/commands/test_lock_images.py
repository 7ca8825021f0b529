"""`bazel run //tools:lock`: tags become digests in a file that is checked in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lading.commands import lock_images
from lading.errors import ConflictError, InputError, NotFoundError
from lading.registry.credentials import anonymous
from lading.registry.push import Job, Pusher
from lading.registry.session import Session
from tests.registry_server import images
from tests.registry_server.server import Server, serve

Lock = Callable[..., int]


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


def _push(server: Server, tag: str, *sizes: int) -> str:
    image = images.manifest(*sizes)
    session = Session(find=anonymous)
    Pusher().run(
        [Job(image.root, image.content, session.repository(server.address, "base"), (tag,))]
    )
    session.close()
    return str(image.root.digest)


@pytest.fixture
def lock(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lock:
    (tmp_path / "pkg").mkdir()
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(tmp_path))
    monkeypatch.delenv("BUILD_WORKING_DIRECTORY", raising=False)

    def run(*flags: str, tags: tuple[str, ...] = ("1",), label: str = "//pkg:lock.json") -> int:
        requests = tmp_path / "requests.json"
        asked = [f"{server.address}/base:{tag}" for tag in tags]
        requests.write_text(json.dumps({"lock": label, "requests": asked}))
        return lock_images.main([f"--requests={requests}", *flags])

    return run


def _locked(tmp_path: Path) -> dict[str, str]:
    value: dict[str, dict[str, str]] = json.loads((tmp_path / "pkg/lock.json").read_bytes())
    return value["images"]


def test_a_tag_becomes_a_digest(
    server: Server, lock: Lock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = _push(server, "1", 10)
    assert lock() == 0
    assert _locked(tmp_path) == {f"{server.address}/base:1": digest}
    assert capsys.readouterr().out == f"+ {server.address}/base:1 {digest}\n"
    assert lock() == 0
    assert capsys.readouterr().out == ""


def test_a_tag_that_moved_and_one_that_is_gone_are_shown(
    server: Server, lock: Lock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = _push(server, "1", 10)
    _push(server, "2", 20)
    lock(tags=("1", "2"))
    capsys.readouterr()
    new = _push(server, "1", 30)
    with pytest.raises(ConflictError, match="is not what the tags name now"):
        lock("--check")
    assert _locked(tmp_path)[f"{server.address}/base:1"] == old
    assert lock() == 0
    assert _locked(tmp_path) == {f"{server.address}/base:1": new}
    shown = capsys.readouterr().out
    assert f"~ {server.address}/base:1 {old} -> {new}\n" in shown
    assert f"- {server.address}/base:2\n" in shown
    assert lock("--check") == 0


def test_a_tag_that_is_not_there_leaves_the_lock_file_alone(
    server: Server, lock: Lock, tmp_path: Path
) -> None:
    _push(server, "1", 10)
    lock()
    before = (tmp_path / "pkg/lock.json").read_bytes()
    with pytest.raises(NotFoundError, match="nothere"):
        lock(tags=("1", "nothere"))
    assert (tmp_path / "pkg/lock.json").read_bytes() == before


def test_without_a_lock_file_the_message_says_what_to_write(lock: Lock) -> None:
    with pytest.raises(InputError, match="no lock file") as caught:
        lock(label="")
    assert "images.settings(lock =" in str(caught.value)


def test_a_broken_lock_file_is_not_overwritten(lock: Lock, tmp_path: Path) -> None:
    (tmp_path / "pkg/lock.json").write_text("{")
    with pytest.raises(InputError, match=r"lock\.json"):
        lock()
    assert (tmp_path / "pkg/lock.json").read_text() == "{"
