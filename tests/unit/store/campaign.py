"""What is done to a store under faults, and what has to hold afterwards (correctness.md, 4: I1-I6).

After every fault: each image that was acknowledged reads back whole, as the old or the new one, and
as the new one if the operation was acknowledged; every entry and every archive with a name is
whole; the catalog reads, or repair makes it; doing it again succeeds; nothing is left over then.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from lading.errors import LadingError, NotFoundError
from lading.oci.content import Content
from lading.oci.descriptor import Descriptor
from lading.store import archive, catalog_file, cleanup, naming, places, prepare, prune, register
from lading.store.access import Opened, opened
from lading.store.archive import Archive
from lading.store.match import Requirement
from lading.store.prune import Policy
from lading.store.recipe import Recipe
from lading.store.save import Facts
from tests.unit.store import faults
from tests.unit.store.faults import Way
from tests.unit.store.stores import an_image, save_image

__all__ = ["SCENARIOS", "Scenario", "Tally", "attack"]

_OTHER = "capy-ubuntu-24.04-gcc12"
_NAME = "capy-ubuntu-24.04-gcc13"
_BASE = "capy-ubuntu-24.04-base"
_BUILT = "capy-ubuntu-24.04-gcc14"


@dataclass(frozen=True, slots=True)
class Scenario:
    """An operation and the store that it is done to.

    `changed` are the images that it may replace, make or remove: names to the digest that they
    have once it is acknowledged, empty for gone. Every other image has to stay as it is.
    """

    name: str
    setup: Callable[[Path], None]
    operation: Callable[[Path], str]
    changed: Mapping[str, str] = field(default_factory=dict)
    broken: bool = False


@dataclass(slots=True)
class Tally:
    """How often a scenario was hit, and what went wrong."""

    hits: int = 0
    kills: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)


def _images(root: Path) -> None:
    save_image(root, _OTHER, "other")
    save_image(root, _NAME, "old", packages=["make"])


def _save(root: Path) -> str:
    return save_image(root, _NAME, "new").entry.digest


def _digest(text: str) -> str:
    return str(an_image(text)[1].digest)


def _loose(root: Path) -> None:
    """An archive in its place without an entry."""
    _images(root)
    register.unregister(root, _NAME)


def _register(root: Path) -> str:
    return register.register(root, Facts(naming.parse(_NAME))).digest


def _unregister(root: Path) -> str:
    with contextlib.suppress(NotFoundError):  # done before, when it is done again
        register.unregister(root, _NAME)
    return ""


def _lost(root: Path) -> None:
    _images(root)
    places.catalog(root).unlink()


def _binary(root: Path) -> None:
    _images(root)
    places.catalog(root).write_bytes(b"\0\xff binary")


def _repair(root: Path) -> str:
    register.repair(root)
    return ""


def _full(root: Path) -> None:
    """Images to remove, and leftovers of every kind."""
    _images(root)
    lost = save_image(root, "capy-ubuntu-24.04-gcc10", "lost")
    lost.path.unlink()
    orphan = places.images(root) / "capy" / "capy-ubuntu-24.04-gcc11.tar"
    shutil.copyfile(places.images(root) / "capy" / f"{_OTHER}.tar", orphan)
    os.utime(orphan, (time.time() - 90000,) * 2)
    (orphan.parent / f".{_NAME}.tar.{'0' * 16}.draft").write_bytes(b"half")
    (places.leases(root) / f"{_NAME}.{'0' * 16}").write_bytes(b"")
    work = prepare.workplaces(root) / f"{_BUILT}.work"
    work.mkdir(parents=True)
    (work / "scratch").write_bytes(b"scratch")


def _clean(root: Path) -> str:
    """Keeps the image called _OTHER."""
    cleanup.reap(root)
    items = [item for item in cleanup.snapshot(root, {}) if item.entry.name != _OTHER]
    plan = prune.plan(items, Policy(max_total_size=0), free=0, now=datetime.now(UTC))
    cleanup.carry_out(root, plan, lambda name: None)
    return ""


def _with_base(root: Path) -> None:
    save_image(root, _OTHER, "other")
    save_image(root, _BASE, "base")


@contextlib.contextmanager
def _build(recipe: Recipe, base: Opened | None, work: Path) -> Iterator[tuple[Content, Descriptor]]:
    with (work / "scratch").open("wb") as file:
        file.write(b"scratch")
    yield an_image("built")


def _prepare(root: Path) -> str:
    wanted = Requirement("ubuntu-24.04", "amd64", "gcc14", project="capy")
    return prepare.prepare(root, wanted, _build).found.entry.digest


SCENARIOS = (
    Scenario("the first save", lambda root: None, _save, {_NAME: _digest("new")}),
    Scenario("save", _images, _save, {_NAME: _digest("new")}),
    Scenario("register", _loose, _register, {_NAME: _digest("old")}),
    Scenario("unregister", _images, _unregister, {_NAME: ""}),
    Scenario("prepare", _with_base, _prepare, {_BUILT: _digest("built")}),
    Scenario("cleanup", _full, _clean, {_NAME: ""}),
    Scenario("repair of a lost catalog", _lost, _repair, broken=True),
    Scenario("repair of a binary catalog", _binary, _repair, broken=True),
)


def attack(scenario: Scenario, way: Way, directory: Path, *, step: int = 1) -> Tally:
    """Fails every `step`-th call of the operation in turn, until it is through without a fault."""
    template = directory / "template"
    scenario.setup(template)
    before = _whole(template)
    tally = Tally()
    for at in range(0, 100_000, step):
        root = directory / "store"
        if template.exists():
            shutil.copytree(template, root, symlinks=True)
        outcome = faults.run(lambda: scenario.operation(root), way, at)  # noqa: B023
        what = f"{scenario.name}, {way.name}, call {at}"
        tally.faults += [f"{what}: {fault}" for fault in _check(scenario, root, before, outcome)]
        shutil.rmtree(root, ignore_errors=True)
        if not outcome.reached:
            break
        tally.hits += 1
        tally.kills += outcome.code == faults.KILLED
        tally.refused += outcome.code == faults.REFUSED
    shutil.rmtree(template, ignore_errors=True)
    return tally


def _check(
    scenario: Scenario, root: Path, before: Mapping[str, str], outcome: faults.Outcome
) -> Iterator[str]:
    if outcome.code == faults.CRASHED:
        yield f"it ended with a traceback: {outcome.said[-1500:]}"
    if outcome.code == faults.REFUSED and len(outcome.said.splitlines()) > 2:
        yield f"it said {outcome.said!r}"
    try:
        if scenario.broken:
            register.repair(root)
        after = _whole(root)
        entries = {one.name: one for one in catalog_file.read(root).entries}
        acknowledged = outcome.code == faults.ACKNOWLEDGED
        for name, digest in before.items():
            if name not in scenario.changed and after.get(name) != digest:
                yield f"{name} is lost"
        for name, digest in scenario.changed.items():
            if acknowledged and digest and (after.get(name) != digest or name not in entries):
                yield f"{name} was acknowledged and is not there"
            if acknowledged and not digest and name in entries:
                yield f"{name} is still there"
            if after.get(name) not in (None, before.get(name), digest):
                yield f"{name} is neither old nor new"
            if digest and name in before and name not in after:
                yield f"{name} is neither old nor new: it is gone"
        for name in entries:
            if name not in before and name not in scenario.changed and name not in _GONE:
                yield f"{name} came from nowhere"
            if name not in _GONE:
                with opened(root, name, "check") as found:
                    archive.verify(found.archive, found.image)
        scenario.operation(root)
        cleanup.reap(root)
        left = [one.what for one in cleanup.leftovers(root)]
        if left:
            yield f"left over: {left}"
        with contextlib.suppress(FileNotFoundError):
            for path in (root / ".lading").rglob("*.draft"):
                yield f"left over: {path.name}"
    except LadingError as error:
        yield f"afterwards: {error}"


#: Entries whose archive is gone from the start.
_GONE = frozenset({"capy-ubuntu-24.04-gcc10"})


def _whole(root: Path) -> dict[str, str]:
    """Every archive with a name, read in full, and its digest; raises LadingError for half ones."""
    found = {}
    for path in sorted(places.images(root).rglob("*.tar")):
        if path.name.startswith("."):
            continue
        with Archive(path) as file:
            image = file.image()
            archive.verify(file, image)
            found[path.name.removesuffix(".tar")] = str(image.manifest.digest)
    found.pop("capy-ubuntu-24.04-gcc11", None)
    return found
