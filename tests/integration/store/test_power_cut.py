"""The power is cut while images are saved and removed: what was acknowledged holds (I1-I3, S1.8).

A process works on a real file system in a file. At some moment it is stopped, and the file is
copied: it holds what has reached the disk and nothing that waits in memory. The copy is mounted, so
its journal is replayed as after a power cut. Everything that the process was told was saved has to
be in it, whole, and what was removed has to be gone. (A disk that loses what it said it had written
is another matter.)
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lading.store import access, archive, catalog_file, cleanup, lease, places, prune, register
from lading.store.prune import Policy
from tests.integration.store import loop
from tests.unit.store.stores import save_image

_CUTS = int(os.environ.get("LADING_CUTS", "6"))
_NAMES = [f"capy-ubuntu-24.04-gcc{number}" for number in range(10, 16)]
_SIZE = 100_000


def _saver(store: Path, log: Path) -> None:
    """Saves images under a few names again and again, and notes each when it is acknowledged.

    Every fifth time a cleanup removes one.
    """
    with log.open("a", buffering=1) as said:
        for turn in range(10_000):
            name = _NAMES[turn % len(_NAMES)]
            removes = turn % 5 == 4
            said.write(f"{'removing' if removes else 'saving'} {name} {turn}\n")
            if removes:
                items = [one for one in cleanup.snapshot(store, {}) if one.entry.name == name]
                none = Policy(max_total_size=0)
                cleanup.carry_out(store, prune.plan(items, none, free=0, now=datetime.now(UTC)))
                said.write(f"removed {name} {turn}\n")
            else:
                saved = save_image(store, name, f"{turn}", size=_SIZE)
                said.write(f"saved {name} {saved.entry.digest}\n")


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_what_was_acknowledged_outlives_a_power_cut(tmp_path: Path, kind: str) -> None:
    image, place, log = tmp_path / "image", tmp_path / "disk", tmp_path / "log"
    loop.make(kind, image)
    dice = random.Random(kind)
    with loop.mounted(kind, image, place):
        store = place / "store"
        child = os.fork()
        if child == 0:
            try:
                _saver(store, log)
            finally:
                os._exit(1)
        try:
            for cut in range(_CUTS):
                _wait_for(log, 2 * cut + 1)
                time.sleep(dice.uniform(0, 0.3))
                copy = tmp_path / f"cut{cut}"
                _stop(child)
                lines = log.read_text().splitlines()
                subprocess.run(["cp", "--sparse=always", image, copy], check=True)
                os.kill(child, signal.SIGCONT)
                _check(kind, copy, tmp_path / "after", lines)
                copy.unlink()
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _wait_for(log: Path, count: int) -> None:
    """Waits until that many saves are acknowledged."""
    for _ in range(6000):
        if log.exists() and log.read_text().count("saved ") >= count:
            return
        time.sleep(0.01)
    pytest.fail(f"fewer than {count} images were saved in a minute")


def _stop(child: int) -> None:
    """Stops a process; when it has stopped, it waits for no disk."""
    os.kill(child, signal.SIGSTOP)
    for _ in range(1000):
        if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "T":
            return
        time.sleep(0.005)
    pytest.fail("the saver does not stop")


def _check(kind: str, copy: Path, place: Path, lines: list[str]) -> None:
    acknowledged: dict[str, str] = {}
    removed: set[str] = set()
    replaced = ""
    for line in lines:
        verb, name, value = line.split()
        removed.discard(name)
        replaced = name if verb == "saving" and name in acknowledged else ""
        if verb == "saved":
            acknowledged[name] = value
        elif verb == "removed":
            removed.add(name)
        if verb.startswith("remov"):
            acknowledged.pop(name, None)
    with loop.mounted(kind, copy, place):
        store = place / "store"
        if acknowledged:
            entries = {entry.name: entry for entry in catalog_file.read(store).entries}
            for name, digest in acknowledged.items():
                with access.opened(store, name, "check") as found:
                    archive.verify(found.archive, found.image)
                    there = str(found.image.manifest.digest)
                # The one that is being replaced is the old or the new one.
                if name != replaced:
                    assert there == entries[name].digest == digest, f"{name} is {there}"
            assert removed.isdisjoint(entries)
            for path in places.images(store).rglob("*.tar"):
                if not path.name.startswith("."):
                    with archive.Archive(path) as file:
                        archive.verify(file, file.image())
        if store.exists():
            register.repair(store)
            assert lease.holders(store) == []
            cleanup.reap(store)
            assert cleanup.leftovers(store) == []
            save_image(store, _NAMES[0], "afterwards")
