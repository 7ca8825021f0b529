"""What is done to a store under faults, and what has to hold afterwards (correctness.md, 4: I1-I6).

After every fault: each image that was acknowledged reads back whole, as the old or the new one, and
as the new one if the operation was acknowledged; every entry and every archive with a name is
whole; the catalog reads, or repair makes it; doing it again succeeds; nothing is left over then.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lading.errors import LadingError
from lading.store import archive, catalog_file, cleanup, places, register
from lading.store.access import opened
from lading.store.archive import Archive
from tests.unit.store import faults
from tests.unit.store.faults import Way

__all__ = ["ANY", "GONE", "ORPHAN", "Scenario", "Tally", "attack"]

#: A digest that nobody knows before; a whole image it has to be.
ANY = "any"
#: An entry whose archive is gone from the start, and an archive that has no entry.
GONE, ORPHAN = "capy-ubuntu-24.04-gcc10", "capy-ubuntu-24.04-gcc11"


def _nothing(root: Path, acknowledged: bool) -> Iterator[str]:
    return iter(())


@dataclass(frozen=True, slots=True)
class Scenario:
    """An operation and the store that it is done to.

    `changed` are the images that it may replace, make or remove: names to the digest that they
    have once it is acknowledged, empty for gone. Every other image has to stay as it is. `check`
    finds what else is wrong, after a fault and at the end.
    """

    name: str
    setup: Callable[[Path], None]
    operation: Callable[[Path], str]
    changed: Mapping[str, str] = field(default_factory=dict)
    broken: bool = False
    check: Callable[[Path, bool], Iterator[str]] = _nothing


@dataclass(slots=True)
class Tally:
    """How often a scenario was hit, and what went wrong."""

    hits: int = 0
    kills: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)


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
        found = _check(scenario, root, before, outcome, stays_full=way.stays_full)
        tally.faults += [f"{what}: {fault}" for fault in found]
        shutil.rmtree(root, ignore_errors=True)
        if not outcome.reached:
            break
        tally.hits += 1
        tally.kills += outcome.code == faults.KILLED
        tally.refused += outcome.code == faults.REFUSED
    shutil.rmtree(template, ignore_errors=True)
    return tally


def _check(
    scenario: Scenario,
    root: Path,
    before: Mapping[str, str],
    outcome: faults.Outcome,
    *,
    stays_full: bool,
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
            if digest == ANY:
                digest = after.get(name, before.get(name, ANY))
            if acknowledged and digest and (after.get(name) != digest or name not in entries):
                yield f"{name} was acknowledged and is not there"
            if acknowledged and not digest and name in entries:
                yield f"{name} is still there"
            if after.get(name) not in (None, before.get(name), digest):
                yield f"{name} is neither old nor new"
            if digest and name in before and name not in after:
                yield f"{name} is neither old nor new: it is gone"
        for name, entry in entries.items():
            if name in after and entry.digest not in ("", after[name]):
                yield f"the entry of {name} is about another image than its archive"
            if name not in before and name not in scenario.changed and name != GONE:
                yield f"{name} came from nowhere"
            if stays_full and scenario.changed.get(name) == "" and name not in after:
                continue  # its archive made room, and not enough: the next cleanup drops it
            if name != GONE:
                with opened(root, name, "check") as found:
                    archive.verify(found.archive, found.image)
        yield from scenario.check(root, acknowledged)
        scenario.operation(root)
        yield from scenario.check(root, True)
        cleanup.reap(root)
        left = [one.what for one in cleanup.leftovers(root)]
        if left:
            yield f"left over: {left}"
        with contextlib.suppress(FileNotFoundError):
            for path in (root / ".lading").rglob("*.draft"):
                yield f"left over: {path.name}"
    except LadingError as error:
        yield f"afterwards: {error}"


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
    found.pop(ORPHAN, None)
    return found
