"""A build's own directory: gone afterwards, and those of builds that were killed are found."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from pathlib import Path

import pytest

from lading.builder import scratch
from lading.builder.request import BuildRequest, Secret
from lading.errors import InputError, StorageError
from tests.unit.store.stores import as_on_nfs


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_it_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    with scratch.scratch() as directory:
        assert directory.parent == tmp_path
        assert directory.stat().st_mode & 0o777 == 0o700
        (directory / "a").mkdir()
    assert list(tmp_path.iterdir()) == []


def test_its_lock_is_one_that_nfs_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_on_nfs(monkeypatch)
    with scratch.scratch() as directory:
        assert directory.is_dir()


def test_only_what_nobody_holds_and_is_old_is_reaped(tmp_path: Path) -> None:
    for name in ("dead", "held", "young", "no-lock"):
        directory = tmp_path / f"lading-build-{name}"
        directory.mkdir()
        if name != "no-lock":
            (directory / ".lock").touch()
        if name != "young":
            os.utime(directory, (0, 0))
    (tmp_path / "lading-build-link").symlink_to(tmp_path)
    with (tmp_path / "lading-build-held" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        os.utime(tmp_path / "lading-build-held", (0, 0))
        with scratch.scratch():
            pass
    left = sorted(path.name.removeprefix("lading-build-") for path in tmp_path.iterdir())
    assert left == ["held", "link", "no-lock", "young"]


def test_only_logins_are_taken_from_the_users_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        json.dumps({"auths": {"r": {}}, "currentContext": "evil", "cliPluginsExtraDirs": ["/x"]})
    )
    (tmp_path / "own").mkdir()
    assert scratch.login(tmp_path / "own", {"DOCKER_CONFIG": str(tmp_path)})
    copied = tmp_path / "own" / "config.json"
    assert json.loads(copied.read_bytes()) == {"auths": {"r": {}}}
    assert copied.stat().st_mode & 0o777 == 0o600
    assert not scratch.login(tmp_path / "own", {"HOME": str(tmp_path / "nobody")})


def test_a_secret_that_is_not_there(tmp_path: Path) -> None:
    for secret, says in {
        Secret("a", tmp_path / "none"): "the secret 'a' is not in",
        Secret("b", env="LADING_TEST_NOT_SET"): "is to come from \\$LADING_TEST_NOT_SET",
    }.items():
        with pytest.raises(InputError, match=says):
            scratch.secret_flags(BuildRequest(tmp_path, secrets=(secret,)), {})


def test_a_secret_in_a_file_that_no_flag_can_name(tmp_path: Path) -> None:
    file = tmp_path / "a,env=HOME"
    file.write_text("value")
    with pytest.raises(InputError, match="take a comma or a quote for the end"):
        scratch.secret_flags(BuildRequest(tmp_path, secrets=(Secret("a", file),)), {})


def _no_rename(source: Path, target: Path) -> Path:
    raise OSError(errno.EXDEV, "another file system")


def test_what_lies_on_another_file_system_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "replace", _no_rename)
    (tmp_path / "made").write_bytes(b"new")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "image.tar").write_bytes(b"old")
    scratch.move(tmp_path / "made", tmp_path / "out" / "image.tar")
    assert (tmp_path / "out" / "image.tar").read_bytes() == b"new"
    assert [item.name for item in (tmp_path / "out").iterdir()] == ["image.tar"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "made").touch()
    with pytest.raises(StorageError, match=r"out/image\.tar"):
        scratch.move(tmp_path / "made", tmp_path / "out" / "image.tar")
