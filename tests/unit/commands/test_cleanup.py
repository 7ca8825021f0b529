"""`//images:cleanup`: limits from flags and files, what is printed, exit codes (S1.7)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lading.commands import cleanup, flags, limits
from lading.errors import InputError, LimitError, NotFoundError, UsageError
from lading.store import catalog_file, lease
from lading.store import cleanup as removal
from lading.store.lock import locked
from lading.store.prune import Plan
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


def test_a_dry_run_counts_what_leftovers_free(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Otherwise it would name images that nobody has to give up."""
    draft = store / f".image-registry.yml.{'0' * 16}.draft"
    draft.write_bytes(bytes(100_000))

    def usage(_: Path) -> shutil._ntuple_diskusage:
        free = 1_000_000 + (0 if draft.exists() else 100_000)
        return shutil._ntuple_diskusage(10_000_000, 10_000_000 - free, free)

    monkeypatch.setattr(cleanup, "disk_usage", usage)
    for words in (["--dry-run"], []):
        assert _run(capsys, store, "--min-free=1050000", *words)["removed"] == []
    assert not draft.exists()


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
        ([f"--max-total-size={'9' * 400}"], InputError),
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


def test_a_limit_that_is_none_is_named(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("max_total_size: 20G\nmin_free: 5X\n")
    with pytest.raises(InputError, match="min_free: '5X' is not a size"):
        cleanup.main([f"--store={store}", f"--policy={file}"])


@pytest.mark.parametrize(
    "text",
    [
        "max_age: 1d\nmax_age: 90d\n",
        "keep_last: {1: 2, '*': x}\n",
        "keep_last: {null: 3}\n",
        "remove_loaded: 'never'\n",
        "max_age: 2001-99-99\n",
        "[" * 5000,
        "a: &a [1]\nb: *a\n",
        "\x00",
        b"max_age: \xff\n",
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_a_policy_that_can_be_misread_is_refused(
    store: Path, tmp_path: Path, text: str | bytes
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError):
        cleanup.main([f"--store={store}", f"--policy={policy}"])


@pytest.mark.parametrize(
    ("text", "expected"), [("true", True), ("'false'", False), ("no", False), ("", False)]
)
def test_a_policy_says_whether_images_go_from_engines(
    tmp_path: Path, text: str, expected: bool
) -> None:
    (tmp_path / "policy.yaml").write_text(f"remove_loaded: {text}\n")
    values = flags.FlagValues()
    limits.define(values)
    values.parse([f"--policy={tmp_path}/policy.yaml"])
    assert limits.read(values)[1] is expected


def test_a_bad_entry_is_told_of_and_no_archive_goes(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalog = store / "image-registry.yml"
    catalog.write_text(catalog.read_text().replace("usage_count: 0", "usage_count: many", 1))
    assert cleanup.main([f"--store={store}"]) == 0
    assert "bad entry" in capsys.readouterr().err
    assert len(list(store.rglob("*.tar"))) == 2


@pytest.mark.parametrize("text", ["limit: 5", "- 5", "keep_last: [1]", "a: [", "max_age: 5"])
def test_a_wrong_file_is_explained(store: Path, tmp_path: Path, text: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(InputError):
        cleanup.main([f"--store={store}", f"--policy={path}"])


def test_more_free_space_than_the_disk_has_is_a_slip_and_removes_nothing(store: Path) -> None:
    before = sorted(store.rglob("*.tar"))
    with pytest.raises(InputError, match="whole file system"):
        cleanup.main([f"--store={store}", "--min-free=100000T"])
    assert sorted(store.rglob("*.tar")) == before != []


def test_what_comes_into_use_meanwhile_stays_and_something_else_goes(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit holds all the same, and it is said what stayed."""
    names = [entry.name for entry in catalog_file.read(store).entries]
    sizes = [path.stat().st_size for path in store.rglob("*.tar")]
    real = removal.carry_out
    held: list[str] = []

    def taken_first(root: Path, plan: Plan, removed: Any) -> list[str]:
        if not held:
            held.append(plan.removals[0].item.entry.name)
            with locked(root):
                leases.append(lease.take(root, held[0], "a job"))
        return real(root, plan, removed)

    leases: list[lease.Lease] = []
    monkeypatch.setattr(removal, "carry_out", taken_first)
    limit = max(sizes)
    assert cleanup.main([f"--store={store}", f"--max-total-size={limit}", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["becameUsed"] == held
    assert [one["name"] for one in shown["removed"]] == [name for name in names if name != held[0]]
    assert [entry.name for entry in catalog_file.read(store).entries] == held
    leases[0].release()


def test_a_layout_that_cannot_be_read_keeps_nothing_else_from_going(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = store / "layouts" / "app"
    (directory / ".lading").mkdir(parents=True)
    (directory / ".lading" / "blobs.lock").touch()
    (directory / "oci-layout").write_text("{")
    assert cleanup.main([f"--store={store}", "--max-total-size=0"]) == 0
    assert f"{directory} is left alone" in capsys.readouterr().err
    assert list(store.rglob("*.tar")) == []
