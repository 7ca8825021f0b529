"""A save that is cut off between its two renames: what is said of an image is about its archive."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lading.store import (
    access,
    archive,
    catalog,
    catalog_file,
    cleanup,
    places,
    publishing,
    register,
)
from lading.store.archive import Archive
from lading.store.entry import Entry
from lading.store.lock import locked
from tests.unit.store import faults
from tests.unit.store.faults import WAYS, Way
from tests.unit.store.stores import an_image, save_image

_NAME = "capy-ubuntu-24.04-gcc13"
_OTHER = "capy-ubuntu-24.04-gcc14"


def _old(root: Path) -> None:
    save_image(root, _OTHER, "other")
    save_image(root, _NAME, "old", packages=["make"])
    access.note_use(root, _NAME)


def _save(root: Path) -> str:
    return save_image(root, _NAME, "new", packages=["cmake"]).entry.digest


def _cut_off(directory: Path) -> Path:
    """A store in which the archive has its name, and the catalog does not."""
    root = directory / "store"
    _old(root)
    before = places.catalog(root).read_text()
    for at in range(1000):
        copy = directory / f"copy{at}"
        shutil.copytree(root, copy, symlinks=True)
        outcome = faults.run(lambda: _save(copy), WAYS[0], at)  # noqa: B023
        if _held(copy) == _digest("new") and places.catalog(copy).read_text() == before:
            return copy
        assert outcome.reached
        shutil.rmtree(copy)
    raise AssertionError


def _digest(text: str) -> str:
    return str(an_image(text)[1].digest)


def _held(root: Path) -> str:
    """The image that the archive holds."""
    with Archive(places.images(root) / f"capy/{_NAME}.tar") as file:
        return str(file.image().manifest.digest)


def _entry(root: Path) -> Entry:
    found = catalog_file.read(root).find(_NAME)
    assert found is not None
    return found


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name.replace(" ", "-"))
def test_the_entry_is_about_the_archive_whatever_happened(tmp_path: Path, way: Way) -> None:
    template = tmp_path / "template"
    _old(template)
    for at in range(1000):
        root = tmp_path / f"store{at}"
        shutil.copytree(template, root, symlinks=True)
        outcome = faults.run(lambda: _save(root), way, at)  # noqa: B023
        found, held = _entry(root), _held(root)
        assert found.digest == held, f"call {at}"
        assert found.packages == (("cmake",) if held == _digest("new") else ("make",))
        assert found.usage_count == 1
        shutil.rmtree(root)
        if not outcome.reached:
            assert at > 10
            return


def test_what_is_used_next_makes_it_last(tmp_path: Path) -> None:
    root = _cut_off(tmp_path)
    access.note_use(root, _NAME)
    assert (_entry(root).digest, _entry(root).usage_count) == (_digest("new"), 2)
    assert _digest("new") in places.catalog(root).read_text()


def test_an_entry_that_is_taken_out_then_stays_out(tmp_path: Path) -> None:
    root = _cut_off(tmp_path)
    register.unregister(root, _NAME)
    assert catalog_file.read(root).find(_NAME) is None
    assert catalog_file.read(root).find(_OTHER) is not None


def test_saving_it_again_writes_the_catalog(tmp_path: Path) -> None:
    root = _cut_off(tmp_path)
    save_image(root, _NAME, "new", packages=["cmake"])
    assert _digest("new") in places.catalog(root).read_text()


def test_a_change_that_changes_nothing_makes_it_last(tmp_path: Path) -> None:
    root = _cut_off(tmp_path)
    with locked(root):
        catalog_file.update(root, lambda found: found)
    assert _digest("new") in places.catalog(root).read_text()


def test_what_somebody_else_put_there_is_not_what_was_saved(tmp_path: Path) -> None:
    root = _cut_off(tmp_path)
    path = places.images(root) / f"capy/{_NAME}.tar"
    copied = path.with_name("copy")
    shutil.copyfile(places.images(root) / f"capy/{_OTHER}.tar", copied)
    copied.replace(path)
    assert _entry(root).digest == _digest("old")


def test_a_catalog_that_was_changed_by_hand_has_the_last_word(tmp_path: Path) -> None:
    root = _cut_off(tmp_path)
    path = places.catalog(root)
    path.write_text(path.read_text().replace("make", "meson"))
    assert _entry(root).packages == ("meson",)


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_a_record_that_is_none_counts_for_nothing(tmp_path: Path, damage: bytes) -> None:
    root = _cut_off(tmp_path)
    places.publishing(root).write_bytes(damage)
    assert _entry(root).digest == _digest("old")


def test_nothing_is_recorded_where_nothing_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes two calls to the disk."""
    monkeypatch.setattr(publishing, "announce", lambda *_: pytest.fail("it was"))
    save_image(tmp_path, _NAME, "new")


def test_no_record_stays_after_a_save(tmp_path: Path) -> None:
    _old(tmp_path)
    _save(tmp_path)
    assert not places.publishing(tmp_path).exists()


@pytest.mark.parametrize("says", [True, False])
def test_a_cleanup_leaves_no_record(tmp_path: Path, *, says: bool) -> None:
    root = _cut_off(tmp_path)
    if not says:
        places.catalog(root).write_text(catalog.EMPTY.text)
    assert any("cut off" in one.what for one in cleanup.leftovers(root))
    cleanup.reap(root)
    assert not places.publishing(root).exists()
    assert (_digest("new") in places.catalog(root).read_text()) == says


def test_the_image_is_opened_and_whole(tmp_path: Path) -> None:
    root = _cut_off(tmp_path)
    with access.opened(root, _NAME, "test") as found:
        assert found.entry.digest == _digest("new")
        archive.verify(found.archive, found.image)
