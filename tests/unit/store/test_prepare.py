"""Images for requirements: there, built once, or not at all (S1.4, S0.6)."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lading.debian.index import Index
from lading.debian.sources import Mirrors
from lading.errors import NotFoundError
from lading.oci.content import Content
from lading.oci.descriptor import Descriptor
from lading.store import (
    access,
    catalog_file,
    cleanup,
    debian_build,
    lease,
    naming,
    prepare,
    prune,
    save,
)
from lading.store.access import Opened
from lading.store.match import Requirement
from lading.store.recipe import Recipe
from tests.unit.store.stores import an_image, save_image

_WANTED = Requirement("ubuntu-24.04", "amd64", "gcc14", project="capy")
_BASE = "capy-ubuntu-24.04-base"
_NAME = "capy-ubuntu-24.04-gcc14"


class Builds:
    """A build that notes what it was asked for."""

    def __init__(self, pause: float = 0) -> None:
        self.made: list[tuple[str, str]] = []
        self._pause = pause

    @contextlib.contextmanager
    def __call__(
        self, recipe: Recipe, base: Opened | None, work: Path
    ) -> Iterator[tuple[Content, Descriptor]]:
        self.made.append((recipe.name.text, base.entry.name if base else ""))
        (work / "scratch").write_bytes(b"scratch")
        time.sleep(self._pause)
        yield an_image(f"built {len(self.made)}")


def test_an_image_that_matches_is_returned_and_nothing_is_built(tmp_path: Path) -> None:
    saved = save_image(tmp_path, _NAME)
    builds = Builds()
    done = prepare.prepare(tmp_path, _WANTED, builds)
    assert (done.path, done.built, builds.made) == (saved.path, False, [])


def test_what_nothing_matches_is_built_on_the_base_saved_and_matches_at_100(
    tmp_path: Path,
) -> None:
    save_image(tmp_path, _BASE)
    builds, said = Builds(), list[str]()
    done = prepare.prepare(tmp_path, _WANTED, builds, say=said.append)
    assert done.built
    assert done.found.essentials == 100
    assert builds.made == [(_NAME, _BASE)]
    assert _BASE in said[0]
    with access.opened(tmp_path, _NAME, "test") as found:
        assert found.entry.compilers == ("gcc14",)
    assert not prepare.prepare(tmp_path, _WANTED, builds).built
    assert list(prepare.workplaces(tmp_path).glob("*.work")) == []


def test_a_cleanup_does_not_take_an_image_that_was_just_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_image(tmp_path, _BASE)
    real = save.save

    def then_cleaned(*args: Any, **named: Any) -> save.Saved:
        saved = real(*args, **named)
        policy = prune.Policy(max_total_size=0)
        items = cleanup.snapshot(tmp_path, {})
        cleanup.carry_out(tmp_path, prune.plan(items, policy, free=0, now=datetime.now(UTC)))
        return saved

    monkeypatch.setattr(save, "save", then_cleaned)
    assert prepare.prepare(tmp_path, _WANTED, Builds()).path.exists()
    assert list(lease.holders(tmp_path)) == []


def test_a_failed_build_keeps_what_was_there(tmp_path: Path) -> None:
    save_image(tmp_path, _NAME, "old")
    wanted = Requirement("ubuntu-24.04", "amd64", "gcc14", ("make",), project="capy")
    before = catalog_file.read(tmp_path).text

    @contextlib.contextmanager
    def fails(
        recipe: Recipe, base: Opened | None, work: Path
    ) -> Iterator[tuple[Content, Descriptor]]:
        assert recipe.name.text == _NAME
        assert base is not None
        (work / "half").write_bytes(b"half")
        if recipe.install == ("make",):
            raise NotFoundError("the suite has no Debian package make")
        yield an_image("never")

    with pytest.raises(NotFoundError, match="no Debian package make"):
        prepare.prepare(tmp_path, wanted, fails)
    assert catalog_file.read(tmp_path).text == before
    with access.opened(tmp_path, _NAME, "test"):
        pass
    assert cleanup.leftovers(tmp_path) == []


def test_callers_at_once_build_once_and_share_it(tmp_path: Path) -> None:
    save_image(tmp_path, _BASE)
    builds, said = Builds(pause=0.3), list[str]()
    done: list[prepare.Prepared] = []

    def one() -> None:
        done.append(prepare.prepare(tmp_path, _WANTED, builds, say=said.append))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(builds.made) == 1
    assert sorted(one.built for one in done) == [False, False, False, True]
    assert len({one.path for one in done}) == 1
    assert sum("waiting" in text for text in said) == 3


def test_a_killed_builder_blocks_nobody_and_leaves_nothing(tmp_path: Path) -> None:
    save_image(tmp_path, _BASE)
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            prepare.prepare(tmp_path, _WANTED, Builds(pause=60))
        os._exit(1)
    work = prepare.workplaces(tmp_path) / f"{_NAME}.work"
    deadline = time.monotonic() + 30
    while not (work / "scratch").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [one.path for one in cleanup.reap(tmp_path)] == []  # somebody builds there
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    left = [one.what for one in cleanup.leftovers(tmp_path)]
    assert "what a dead builder left" in left
    assert prepare.prepare(tmp_path, _WANTED, Builds()).built
    assert not work.exists()


@pytest.mark.parametrize("archives", [["debian", "security"], ["debian"]])
def test_that_no_mirror_has_security_fixes_is_said(
    monkeypatch: pytest.MonkeyPatch, archives: list[str]
) -> None:
    """A mirror can hide them by answering that there is no such suite."""
    suites = [SimpleNamespace(archive=name) for name in archives]
    monkeypatch.setattr(debian_build, "find_keyring", lambda: Path("/keyring"))
    monkeypatch.setattr(debian_build, "open_suites", lambda *_, **__: suites)
    monkeypatch.setattr(debian_build, "read_index", lambda *_: Index("amd64"))
    said: list[str] = []
    recipe: Any = SimpleNamespace(name=naming.parse("capy-debian-13-base"), architecture="amd64")
    debian_build._index(recipe, Mirrors(("file:///mirror",), ()), said.append)
    warned = "warning: no mirror of this machine has trixie-security" in said
    assert warned == ("security" not in archives)
