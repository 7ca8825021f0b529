"""`//images:cleanup`: limits from flags and files, what is printed, exit codes (S1.7)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lading.commands import cleanup
from lading.errors import InputError, LimitError, NotFoundError, UsageError
from lading.store import catalog_file, lease
from tests.unit.store.stores import save_image

_A, _B = "capy-ubuntu-24.04-gcc13", "capy-ubuntu-24.04-gcc14"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DOCKER_HOST", "CONTAINER_HOST", "BUILD_WORKSPACE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cleanup, "_there", list)
    root = tmp_path / "store"
    for name in (_A, _B):
        save_image(root, name, name)
    return root


def _run(capsys: pytest.CaptureFixture[str], root: Path, *words: str) -> dict[str, Any]:
    assert cleanup.main([f"--store={root}", "--json", *words]) == 0
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    return value


def _names(root: Path) -> list[str]:
    return [entry.name for entry in catalog_file.read(root).entries]


def test_a_dry_run_says_what_would_go_and_removes_nothing(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    value = _run(capsys, store, "--max-total-size=0", "--dry-run")
    assert [one["name"] for one in value["removed"]] == [_A, _B]
    assert value["bytesAfter"] == 0 < value["bytesBefore"]
    assert _names(store) == [_A, _B]


def test_it_removes(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(_run(capsys, store, "--max-total-size=0")["removed"]) == 2
    assert _names(store) == []
    assert list(store.rglob("*.tar")) == []


def test_without_limits_nothing_goes(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(capsys, store)["removed"] == []


def test_a_limit_out_of_reach_has_its_own_code(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with lease.taken(store, _A, "a job"), pytest.raises(LimitError) as caught:
        cleanup.main([f"--store={store}", "--max-total-size=0"])
    assert caught.value.exit_code == 9
    assert f"{_A} (a job" in str(caught.value)
    assert _names(store) == [_A]
    assert f"{_B}: the images are larger" in capsys.readouterr().out


def test_limits_of_a_file_and_a_flag_that_wins(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("max_total_size: 0\nkeep_last: {'*': 1}\n")
    value = _run(capsys, store, f"--policy={policy}", "--max-total-size=1G", "--dry-run")
    assert [one["why"] for one in value["removed"]] == ["not among the last 1 of capy"]


def test_limits_of_the_workspace(
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/cleanup.yaml").write_text("max_total_size: 0\n")
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(tmp_path))
    assert len(_run(capsys, store, "--dry-run")["removed"]) == 2


def test_an_engine_that_cannot_be_asked_keeps_everything(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cleanup, "_there", lambda: ["docker"])
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(LimitError):
        cleanup.main([f"--store={store}", "--max-total-size=0"])
    assert _names(store) == [_A, _B]
    assert "nothing is removed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--max-age=soon"], InputError),
        (["--max-total-size=lots"], InputError),
        (["--keep-last=x=y"], InputError),
        (["--policy=/nowhere.yaml"], NotFoundError),
        (["--store=/nowhere"], NotFoundError),
        (["everything"], UsageError),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_mistakes_are_explained(store: Path, words: list[str], error: type[Exception]) -> None:
    with pytest.raises(error):
        cleanup.main([f"--store={store}", *words])


@pytest.mark.parametrize("text", ["limit: 5", "- 5", "keep_last: [1]", "a: [", "max_age: 5"])
def test_a_wrong_file_is_explained(store: Path, tmp_path: Path, text: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(InputError):
        cleanup.main([f"--store={store}", f"--policy={path}"])
