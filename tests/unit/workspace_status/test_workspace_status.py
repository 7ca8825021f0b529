"""The commit is found in every form in which git keeps it, without git."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from workspace_status import status

_COMMIT = "4f1ae9fd01fe1b4d6a0a5a2f6c0d2a3be6a0e1c7"
_OTHER = "0" * 40


def _repository(path: Path, head: str) -> Path:
    git = path / ".git"
    (git / "refs/heads/feature").mkdir(parents=True)
    (git / "HEAD").write_text(head + "\n")
    return git


@pytest.fixture(autouse=True)
def _no_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")


def test_a_branch_in_a_file_of_its_own(tmp_path: Path) -> None:
    git = _repository(tmp_path, "ref: refs/heads/feature/tags")
    (git / "refs/heads/feature/tags").write_text(_COMMIT + "\n")
    (git / "packed-refs").write_text(f"{_OTHER} refs/heads/feature/tags\n")
    below = tmp_path / "a/b"
    below.mkdir(parents=True)
    expected = {
        "STABLE_GIT_COMMIT": _COMMIT,
        "STABLE_GIT_BRANCH": "feature/tags",
        "STABLE_GIT_MODIFIED": "",
    }
    assert status(tmp_path) == status(below) == expected


def test_a_packed_branch(tmp_path: Path) -> None:
    git = _repository(tmp_path, "ref: refs/heads/main")
    (git / "packed-refs").write_text(
        f"# pack-refs with: peeled\n{_OTHER} refs/heads/mainly\n"
        f"{_COMMIT} refs/heads/main\n^{_OTHER}\n"
    )
    assert status(tmp_path)["STABLE_GIT_COMMIT"] == _COMMIT


def test_a_detached_head(tmp_path: Path) -> None:
    _repository(tmp_path, _COMMIT)
    assert status(tmp_path)["STABLE_GIT_COMMIT"] == _COMMIT
    assert status(tmp_path)["STABLE_GIT_BRANCH"] == ""


def test_a_linked_work_tree(tmp_path: Path) -> None:
    git = _repository(tmp_path / "main", "ref: refs/heads/main")
    (git / "refs/heads/side").write_text(_COMMIT)
    linked = git / "worktrees/side"
    linked.mkdir(parents=True)
    (linked / "HEAD").write_text("ref: refs/heads/side\n")
    (linked / "commondir").write_text("../..\n")
    tree = tmp_path / "side"
    tree.mkdir()
    (tree / ".git").write_text(f"gitdir: {linked}\n")
    assert status(tree)["STABLE_GIT_COMMIT"] == _COMMIT
    assert status(tree)["STABLE_GIT_BRANCH"] == "side"


def test_without_a_repository_or_a_commit_there_is_nothing(tmp_path: Path) -> None:
    assert status(tmp_path) == {}
    _repository(tmp_path, "ref: refs/heads/unborn")
    assert status(tmp_path) == {}


def test_references_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    git = _repository(tmp_path, "ref: refs/heads/one")
    (git / "refs/heads/one").write_text("ref: refs/heads/one\n")
    assert status(tmp_path) == {}


def test_the_real_git_agrees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    if shutil.which("git") is None:
        pytest.skip("git is not installed here")

    def git(*words: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet", "--initial-branch=trunk")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "--quiet", "--message=one")
    (tmp_path / "untracked").write_text("1")
    clean = status(tmp_path)
    assert clean == {
        "STABLE_GIT_COMMIT": git("rev-parse", "HEAD"),
        "STABLE_GIT_BRANCH": "trunk",
        "STABLE_GIT_MODIFIED": "",
    }
    git("pack-refs", "--all")
    assert status(tmp_path) == clean
    (tmp_path / "file").write_text("2")
    assert status(tmp_path) == clean | {"STABLE_GIT_MODIFIED": "modified"}


def test_a_repository_around_it_does_not_answer_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git itself looks further up when it finds something wrong with a repository."""
    monkeypatch.undo()
    if shutil.which("git") is None:
        pytest.skip("git is not on PATH")
    (tmp_path / "file").write_text("committed")
    for command in (
        ["init", "--quiet"],
        ["add", "file"],
        ["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "-m", "a"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    (tmp_path / "file").write_text("changed")
    inner = tmp_path / "inner"
    (_repository(inner, "ref: refs/heads/main") / "refs/heads/main").write_text(_COMMIT)
    assert status(tmp_path)["STABLE_GIT_MODIFIED"] == "modified"
    assert status(inner)["STABLE_GIT_MODIFIED"] == ""
