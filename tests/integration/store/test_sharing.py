"""Twenty images on one base take one base, on real file systems that share bytes (XFS, btrfs)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lading.oci.content import FilesContent
from lading.store import (
    access,
    archive,
    cleanup,
    naming,
    places,
    prune,
    register,
    save,
    sharing,
)
from lading.store.prune import Policy
from lading.store.save import Facts, Saved
from tests.integration.harness import programs
from tests.integration.store import loop
from tests.unit.store import tiny
from tests.unit.store.campaign import attack
from tests.unit.store.faults import WAYS
from tests.unit.store.scenarios import SCENARIOS
from tests.unit.store.stores import save_image

_MIB = 1 << 20
#: Does not compress, and its end fills no block.
_BASE = tiny.layer({"base": os.urandom(8 * _MIB) + b"end"}, "none")


@pytest.fixture(params=["xfs", "btrfs"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    image, place = tmp_path / "image", tmp_path / "disk"
    loop.make(request.param, image)
    with loop.mounted(request.param, image, place):
        yield place


def _save(root: Path, number: int) -> Saved:
    content = tiny.MemoryContent()
    source = tiny.image(content, [_BASE, tiny.layer({"own": os.urandom(100_000)}, "none")])
    facts = Facts(naming.parse(f"capy-ubuntu-24.04-gcc{number}"))
    return save.save(root, content, source, facts)


def _used(disk: Path) -> int:
    os.sync()
    return shutil.disk_usage(disk).used


def test_twenty_images_on_one_base_take_one_base(disk: Path) -> None:
    root = disk / "store"
    before = _used(disk)
    saved = [_save(root, number) for number in range(1, 21)]
    assert sum(one.size for one in saved) > 20 * 8 * _MIB
    assert _used(disk) - before < 8 * _MIB + 20 * 200_000 + 4 * _MIB

    # Cleanup counts what the disk holds, and not what files say.
    items = cleanup.snapshot(root, {})
    limit = 9 * _MIB
    plan = prune.plan(items, Policy(max_total_size=limit), free=0, now=datetime.now(UTC))
    assert plan.before < 8 * _MIB + 20 * 200_000
    assert 0 < len(plan.removals) < 15
    assert plan.after <= limit
    cleanup.carry_out(root, plan)
    left = cleanup.snapshot(root, {})
    assert sum(one.size for one in left) > limit
    nothing = prune.plan(left, Policy(max_total_size=limit), free=0, now=datetime.now(UTC))
    assert nothing.removals == ()

    # What is left is whole, each by itself.
    for one in left:
        with access.opened(root, one.entry.name, "test") as found:
            archive.verify(found.archive, found.image, deep=True)
    copy = root.parent / "copy.tar"
    shutil.copyfile(places.inside(root, left[0].entry.file), copy)
    with archive.Archive(copy) as found_copy:
        archive.verify(found_copy, found_copy.image(), deep=True)
    programs.need("skopeo")
    digest = programs.run(["skopeo", "inspect", "--format={{.Digest}}", f"oci-archive:{copy}"])
    assert digest.strip() == left[0].entry.digest

    # Nobody has the base any more: it goes with the last image, and so does what was noted.
    everything = prune.plan(left, Policy(max_total_size=0), free=0, now=datetime.now(UTC))
    cleanup.carry_out(root, everything)
    copy.unlink()
    cleanup.reap(root)
    assert list(places.layers(root).iterdir()) == []
    assert cleanup.leftovers(root) == []


def test_a_layer_is_shared_with_the_file_that_it_comes_from(disk: Path) -> None:
    """Which is reached by a link, as are the outputs of Bazel in runfiles."""
    content = tiny.MemoryContent()
    source = tiny.image(content, [_BASE])
    files = {}
    for digest, data in content.blobs.items():
        (disk / digest.hex).write_bytes(data)
        files[digest] = disk / f"{digest.hex}.link"
        files[digest].symlink_to(disk / digest.hex)
    before = _used(disk)
    facts = Facts(naming.parse("capy-ubuntu-24.04-base"))
    saved = save.save(disk / "store", FilesContent(files), source, facts)
    assert saved.size > 8 * _MIB
    assert _used(disk) - before < 4 * _MIB


def test_an_archive_that_changed_or_went_is_no_source(disk: Path) -> None:
    """What a note leads to is hashed like anything else; a damaged twin is not copied from."""
    root = disk / "store"
    first, second = _save(root, 1), _save(root, 2)
    with first.path.open("r+b") as file:
        file.seek(4 * _MIB)
        file.write(b"damaged")
    second.path.write_bytes(b"damaged")
    third = _save(root, 3)
    third.path.rename(third.path.with_name("away.tar"))
    for number in (4, 5):
        with access.opened(root, _save(root, number).entry.name, "test") as found:
            archive.verify(found.archive, found.image, deep=True)


@pytest.mark.parametrize("name", ["save by threads", "register", "cleanup"])
def test_faults_do_no_harm_where_bytes_are_shared(disk: Path, name: str) -> None:
    """The fault campaign's short form; //tests/soak/store has the long one, without sharing."""
    [scenario] = [one for one in SCENARIOS if one.name == name]
    faults = [fault for way in WAYS for fault in attack(scenario, way, disk, step=7).faults]
    assert faults == []


def test_archives_that_are_registered_are_shared_with_too(disk: Path) -> None:
    root = disk / "store"
    saved = _save(root, 1)
    shutil.rmtree(root / ".lading")
    (root / "image-registry.yml").unlink()
    register.repair(root)
    before = _used(disk)
    assert _save(root, 2).size > 8 * _MIB
    assert _used(disk) - before < 4 * _MIB
    assert saved.path.exists()


def test_nothing_is_noted_where_nothing_can_be_shared() -> None:
    if not Path("/dev/shm").is_dir():
        pytest.skip("there is no /dev/shm")
    root = Path("/dev/shm") / f"lading-{os.getpid()}"
    try:
        save_image(root)
        assert not sharing.active(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)
