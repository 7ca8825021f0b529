"""Carrying out a cleanup: what is in use stays, what is left over goes (S1.7, S1.8)."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lading.errors import LadingError
from lading.oci.digest import Digest
from lading.store import (
    access,
    catalog_file,
    cleanup,
    collect,
    disk,
    layouts,
    lease,
    places,
    prepare,
    prune,
    register,
)
from lading.store.entry import Entry
from lading.store.layout_directory import Layout
from lading.store.prune import Policy
from tests.unit.store import tiny
from tests.unit.store.stores import save_image

_ALL = Policy(max_total_size=0)
_A, _B = "capy-ubuntu-24.04-gcc13", "capy-ubuntu-24.04-gcc14"


@pytest.fixture
def an_hour_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "_GRACE", 0.0)


def _plan(root: Path, used: dict[str, str] | None = None) -> prune.Plan:
    items = cleanup.snapshot(root, used or {})
    return prune.plan(items, _ALL, free=0, now=datetime.now(UTC))


def _names(root: Path) -> list[str]:
    return [entry.name for entry in catalog_file.read(root).entries]


def test_removed_images_are_gone_with_their_entries(tmp_path: Path) -> None:
    saved = save_image(tmp_path, _A)
    removed: list[Entry] = []
    assert cleanup.carry_out(tmp_path, _plan(tmp_path), removed.append) == []
    assert [one.name for one in removed] == [_A]
    assert not saved.path.exists()
    assert _names(tmp_path) == []


def test_an_archive_that_another_entry_names_too_stays(tmp_path: Path) -> None:
    """A catalog may be written by hand: a second name for an archive, kept and perhaps in use."""
    saved = save_image(tmp_path, _A)
    catalog = places.catalog(tmp_path)
    text = catalog.read_text()
    entry = text[text.index("  - name:") :].replace(f"name: {_A}", f"name: {_B}")
    catalog.write_text(text + entry.replace("images/capy/", "images/./capy/"))
    plan = _plan(tmp_path)
    [first] = [one for one in plan.removals if one.item.entry.name == _A]
    assert cleanup.carry_out(tmp_path, prune.Plan((first,))) == []
    assert _names(tmp_path) == [_B]
    assert saved.path.exists()
    with access.opened(tmp_path, _B, "a job") as found:
        assert found.image.manifest.digest == Digest.parse(saved.entry.digest)


def test_a_leased_image_stays(tmp_path: Path) -> None:
    save_image(tmp_path, _A)
    with lease.taken(tmp_path, _A, "a job"):
        found = _plan(tmp_path)
        assert found.removals == ()
        assert "a job" in found.protected[_A]


def test_a_lease_taken_after_the_plan_counts(tmp_path: Path) -> None:
    save_image(tmp_path, _A)
    plan = _plan(tmp_path)
    with lease.taken(tmp_path, _A, "a job"):
        assert cleanup.carry_out(tmp_path, plan) == [_A]
    assert _names(tmp_path) == [_A]


def test_an_image_that_another_cleanup_removed_does_not_stay(tmp_path: Path) -> None:
    save_image(tmp_path, _A)
    plan = _plan(tmp_path)
    removed: list[Entry] = []
    for _ in range(2):
        assert cleanup.carry_out(tmp_path, plan, removed.append) == []
    assert len(removed) == 1


def test_an_image_saved_anew_after_the_plan_stays(tmp_path: Path) -> None:
    save_image(tmp_path, _A, "old")
    plan = _plan(tmp_path)
    save_image(tmp_path, _A, "new")
    assert cleanup.carry_out(tmp_path, plan) == [_A]


@pytest.mark.parametrize("key", ["digest", "image_id"])
def test_an_image_that_a_container_runs_from_stays(tmp_path: Path, key: str) -> None:
    saved = save_image(tmp_path, _A)
    save_image(tmp_path, _B, "other")
    found = _plan(tmp_path, {getattr(saved.entry, key): "a container of docker"})
    assert [one.item.entry.name for one in found.removals] == [_B]


def test_a_container_of_an_image_that_another_program_registered_counts(tmp_path: Path) -> None:
    """Its entry has no digests: what the archive holds is what counts."""
    saved = save_image(tmp_path, _A)
    catalog = places.catalog(tmp_path)
    catalog.write_text(re.sub(r"    (digest|image_id): .*\n", "", catalog.read_text()))
    assert catalog_file.read(tmp_path).entries[0].image_id == ""
    assert _plan(tmp_path, {"sha256:" + "0" * 64: "a container"}).removals != ()
    for digest in (saved.entry.digest, saved.entry.image_id):
        assert _plan(tmp_path, {digest: "a container"}).protected == {_A: "a container"}


def test_a_disk_without_room_for_a_catalog_is_cleaned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else frees it: a new catalog is written before an old archive goes."""
    gone = save_image(tmp_path, "capy-debian-13-base")
    saved = save_image(tmp_path, _A)
    save_image(tmp_path, _B)
    gone.path.unlink()
    real = disk.Draft.seal

    def seal(draft: disk.Draft) -> None:
        if saved.path.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        real(draft)

    monkeypatch.setattr(disk.Draft, "seal", seal)
    cleanup.reap(tmp_path)
    [removal] = [one for one in _plan(tmp_path).removals if one.item.entry.name == _A]
    assert cleanup.carry_out(tmp_path, prune.Plan((removal,))) == []
    assert not saved.path.exists()
    cleanup.reap(tmp_path)
    assert _names(tmp_path) == [_B]


def test_leftovers_are_found_and_removed(tmp_path: Path, an_hour_later: None) -> None:
    saved = save_image(tmp_path, _A)
    draft = saved.path.with_name(f".{saved.path.name}.0123456789abcdef.draft")
    draft.write_bytes(b"half")
    orphan = saved.path.with_name(f"{_B}.tar")
    orphan.write_bytes(b"whole")
    found = {one.path for one in cleanup.leftovers(tmp_path)}
    assert {draft, orphan} <= found
    assert draft.exists()
    assert orphan.exists()
    cleanup.reap(tmp_path)
    assert not draft.exists()
    assert not orphan.exists()
    assert saved.path.exists()


def test_a_new_archive_without_an_entry_is_left_alone(tmp_path: Path) -> None:
    saved = save_image(tmp_path, _A)
    orphan = saved.path.with_name(f"{_B}.tar")
    orphan.write_bytes(b"being entered")
    cleanup.reap(tmp_path)
    assert orphan.exists()


def test_an_archive_that_was_copied_with_its_time_is_as_new(tmp_path: Path) -> None:
    """As `cp -p` and `rsync -a` leave it, to be registered next."""
    saved = save_image(tmp_path, _A)
    copied = saved.path.with_name(f"{_B}.tar")
    copied.write_bytes(b"to be registered")
    os.utime(copied, (0, 0))
    cleanup.reap(tmp_path)
    assert copied.exists()


@pytest.mark.parametrize("damage", ["usage_count: many", "name: Capy", "file: ../capy.tar"])
def test_an_entry_that_cannot_be_read_costs_no_archive(
    tmp_path: Path, damage: str, an_hour_later: None
) -> None:
    saved = save_image(tmp_path, _A)
    save_image(tmp_path, _B)
    catalog = places.catalog(tmp_path)
    key = damage.partition(":")[0]
    catalog.write_text(re.sub(rf"{key}: .*", damage, catalog.read_text(), count=1))
    assert len(catalog_file.read(tmp_path).problems) == 1
    assert cleanup.carry_out(tmp_path, prune.Plan()) == []
    cleanup.reap(tmp_path)
    assert saved.path.exists()
    assert _names(tmp_path) == [_B]


def test_archives_that_no_save_can_have_made_stay(tmp_path: Path, an_hour_later: None) -> None:
    """S0.9: what is not lading's is not lading's to remove."""
    saved = save_image(tmp_path, _A)
    others = [saved.path.with_name("backup.tar"), places.images(tmp_path) / "x" / f"{_B}.tar"]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"somebody's")
    assert [one.path for one in cleanup.reap(tmp_path)] == []
    assert all(path.exists() for path in others)


@pytest.mark.parametrize("target", ["/nowhere/mounted", "capy"], ids=["not-mounted", "loop"])
def test_entries_stay_whose_archive_cannot_be_looked_at(tmp_path: Path, target: str) -> None:
    saved = save_image(tmp_path, _A)
    saved.path.parent.rename(tmp_path / "away")
    saved.path.parent.symlink_to(target)
    cleanup.reap(tmp_path)
    register.repair(tmp_path)
    assert _names(tmp_path) == [_A]


def test_nothing_but_its_own_files_goes_from_directories_that_lead_elsewhere(
    tmp_path: Path,
) -> None:
    """Whoever may write to the store must not have others remove their files."""
    save_image(tmp_path, _A)
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "home.work").mkdir(parents=True)
    (elsewhere / "letter").write_text("dear")
    for directory in (places.leases(tmp_path), places.layers(tmp_path)):
        shutil.rmtree(directory, ignore_errors=True)
        directory.symlink_to(elsewhere)
    building = prepare.workplaces(tmp_path)
    building.mkdir()
    (building / "x.work").symlink_to(elsewhere)
    layout = tmp_path / "layouts/app/.lading"
    layout.mkdir(parents=True)
    (layout / "tmp").symlink_to(elsewhere)
    cleanup.reap(tmp_path)
    content = tiny.MemoryContent()
    layouts.write(layout.parent, tiny.image(content, []), content, ["v1"])
    assert sorted(path.name for path in elsewhere.iterdir()) == ["home.work", "letter"]


def test_an_entry_without_an_archive_is_dropped(tmp_path: Path) -> None:
    save_image(tmp_path, _A).path.unlink()
    save_image(tmp_path, _B)
    cleanup.reap(tmp_path)
    assert _names(tmp_path) == [_B]


def test_a_catalog_that_cannot_be_read_stops_everything(tmp_path: Path) -> None:
    saved = save_image(tmp_path, _A)
    places.catalog(tmp_path).write_text("\0")
    with pytest.raises(LadingError):
        cleanup.reap(tmp_path)
    assert saved.path.exists()


def _layout(root: Path) -> tuple[Path, tiny.MemoryContent, list[Digest]]:
    directory = root / "layouts/app"
    content = tiny.MemoryContent()
    old = tiny.image(content, [tiny.layer({"a": b"old"})])
    new = tiny.image(content, [tiny.layer({"a": b"new"})])
    layouts.write(directory, old, content, ["v1"])
    layouts.write(directory, new, content, ["v1"])
    return directory, content, [old.digest, new.digest]


def test_blobs_that_no_tag_leads_to_are_collected(tmp_path: Path) -> None:
    directory, _, (old, new) = _layout(tmp_path)
    assert list(collect.directories(tmp_path)) == [directory]
    count, size = collect.collect(directory, dry_run=True)
    assert count == 3  # manifest, config, layer
    assert collect.collect(directory) == (count, size)
    assert collect.collect(directory) == (0, 0)
    left = {path.name for path in (directory / "blobs/sha256").iterdir()}
    assert old.hex not in left
    assert new.hex in left


def test_a_referrer_stays_with_its_subject(tmp_path: Path) -> None:
    directory, content, (_, new) = _layout(tmp_path)
    subject = next(one for one in Layout(directory).index().manifests if one.digest == new)
    signature = tiny.image(content, [tiny.layer({"sig": b"s"})])
    value = json.loads(content.blobs[signature.digest])
    value["subject"] = subject.to_json()
    data = json.dumps(value).encode()
    referrer = content.add(signature.media_type, data)
    layouts.write(directory, referrer, content)
    collect.collect(directory)
    left = {path.name for path in (directory / "blobs/sha256").iterdir()}
    assert referrer.digest.hex in left


def test_a_layout_that_somebody_else_wrote_is_left_alone(tmp_path: Path) -> None:
    """S0.9: it has no locks, so nobody can tell whether it is being written."""
    directory, _, _ = _layout(tmp_path)
    shutil.rmtree(directory / ".lading")
    before = sorted((directory / "blobs/sha256").iterdir())
    assert collect.collect(directory) == (0, 0)
    assert sorted((directory / "blobs/sha256").iterdir()) == before
    assert not (directory / ".lading").exists()


def _freed(root: Path) -> dict[str, int]:
    return {one.item.entry.name: one.freed for one in _plan(root).removals}


def test_two_names_of_one_archive_are_its_bytes_once(tmp_path: Path) -> None:
    saved = save_image(tmp_path, _A, "same")
    other = save_image(tmp_path, _B, "same")
    assert _freed(tmp_path) == {_A: saved.size, _B: other.size}
    other.path.unlink()
    other.path.hardlink_to(saved.path)
    plan = _plan(tmp_path)
    assert sorted(one.freed for one in plan.removals) == [0, saved.size]
    assert (plan.before, plan.after) == (saved.size, 0)
    assert not any(one.item.elsewhere for one in plan.removals)


@pytest.mark.parametrize("link", ["hard", "symbolic"])
def test_an_archive_that_has_a_name_elsewhere_frees_nothing(tmp_path: Path, link: str) -> None:
    saved = save_image(tmp_path / "store", _A)
    save_image(tmp_path / "store", _B, "other")
    if link == "hard":
        (tmp_path / "backup.tar").hardlink_to(saved.path)
    else:
        saved.path.rename(tmp_path / "backup.tar")
        saved.path.symlink_to(tmp_path / "backup.tar")
    freed = _freed(tmp_path / "store")
    assert freed[_A] == 0
    assert freed[_B] > 0


def test_a_leftover_that_has_a_name_elsewhere_frees_nothing(
    tmp_path: Path, an_hour_later: None
) -> None:
    saved = save_image(tmp_path / "store", _A)
    orphan = saved.path.with_name(f"{_B}.tar")
    orphan.write_bytes(b"whole")
    assert [one.size for one in cleanup.leftovers(tmp_path / "store")] == [5]
    (tmp_path / "backup.tar").hardlink_to(orphan)
    assert [one.size for one in cleanup.leftovers(tmp_path / "store")] == [0]
