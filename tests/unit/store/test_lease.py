"""Leases end with their holder, however it ends."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lading.errors import StorageError
from lading.store import cleanup, collect, layouts, lease, places, prepare
from lading.store.lock import locked
from tests.unit.store.stores import an_image, as_on_nfs, save_image

_NAME = "capy-ubuntu-24.04-gcc13"
_HOLD = """
import sys, time
from pathlib import Path
from lading.store import lease
with lease.taken(Path(sys.argv[1]), "a", "test"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lease_is_seen_while_it_is_held(tmp_path: Path) -> None:
    with lease.taken(tmp_path, "a", "building"), lease.taken(tmp_path, "b", "x"):
        [holder] = lease.holders(tmp_path, "a")
        assert str(holder).startswith(f"building (process {os.getpid()}, since 2")
        assert len(lease.holders(tmp_path)) == 2
    assert lease.holders(tmp_path) == []


def test_two_may_hold_one(tmp_path: Path) -> None:
    with lease.taken(tmp_path, "a", "1"):
        with lease.taken(tmp_path, "a", "2"):
            assert len(lease.holders(tmp_path, "a")) == 2
        assert len(lease.holders(tmp_path, "a")) == 1


def test_the_lease_of_a_killed_holder_is_gone_and_reaped(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert [holder.process for holder in lease.holders(tmp_path, "a")] == [process.pid]
        with locked(tmp_path):
            assert lease.reap(tmp_path) == []
        process.send_signal(signal.SIGKILL)
    assert lease.holders(tmp_path, "a") == []
    with locked(tmp_path):
        assert len(lease.reap(tmp_path, dry_run=True)) == 1
        assert len(lease.reap(tmp_path)) == 1
        assert lease.reap(tmp_path) == []


def test_a_name_that_starts_alike_is_another(tmp_path: Path) -> None:
    with lease.taken(tmp_path, "capy-ubuntu-24.04-gcc13", "x"):
        assert lease.holders(tmp_path, "capy-ubuntu-24.04-gcc1") == []


@pytest.mark.parametrize(
    "said", [b'{"process": 1e999, "purpose": "x", "since": "y"}', b"[" * 100_000, b"\xff", b"[]"]
)
def test_a_lease_that_says_nothing_of_use_is_held_all_the_same(tmp_path: Path, said: bytes) -> None:
    directory = places.leases(tmp_path)
    directory.mkdir(parents=True)
    with (directory / f"{_NAME}.0").open("wb", buffering=0) as file:
        file.write(said)
        fcntl.flock(file, fcntl.LOCK_EX)
        [holder] = lease.holders(tmp_path, _NAME)
    assert (holder.name, holder.process) == (_NAME, 0)


def test_a_full_disk_holds_a_lease_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(number: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with lease.taken(tmp_path, _NAME, "a job"):
        assert [holder.name for holder in lease.holders(tmp_path)] == [_NAME]


def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(number: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(StorageError, match="lock cannot be locked: No locks available"):
        locked(tmp_path).__enter__()


def test_every_lock_is_one_that_nfs_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Homes may be there, and with them the store that nobody has named."""
    as_on_nfs(monkeypatch)
    save_image(tmp_path, _NAME)
    with lease.taken(tmp_path, _NAME, "a job"):
        assert len(lease.holders(tmp_path)) == 1
    content, root = an_image()
    layouts.write(tmp_path / "layouts/app", root, content, ["v1"])
    assert collect.collect(tmp_path / "layouts/app") == (0, 0)
    assert cleanup.reap(tmp_path) == []
    with prepare._only_builder(tmp_path, _NAME, print) as work:
        assert work.is_dir()


def test_the_lock_follows_no_link(tmp_path: Path) -> None:
    """It is written to, and the store may be shared with others."""
    precious = tmp_path / "precious"
    precious.write_text("precious")
    path = places.lock(tmp_path / "store")
    path.parent.mkdir(parents=True)
    path.symlink_to(precious)
    with pytest.raises(StorageError, match="symbolic links"):
        locked(tmp_path / "store").__enter__()
    assert precious.read_text() == "precious"
