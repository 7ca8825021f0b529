"""Savers and cleaners at once: what they say they did is what is there afterwards (I1, I5)."""

from __future__ import annotations

import hashlib
import os
import random
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from lading.oci.content import walk
from lading.store import archive, catalog_file, cleanup, collect, layouts, lease, places, prune
from lading.store.access import opened
from lading.store.layout_directory import Layout
from lading.store.prune import Item, Policy
from tests.unit.store.stores import an_image, save_image

__all__ = ["race"]

#: Images that every cleaner may remove, and that several savers save.
_SHARED = tuple(f"capy-ubuntu-24.04-gcc{number}" for number in (11, 12, 13))
_HELD = "capy-ubuntu-24.04-base"


def race(root: Path, seed: int) -> list[str]:
    """One round of 2 to 8 processes; returns what went wrong.

    Every cleaner may remove the shared images and, were it not for its lease, the held one. Images
    of single savers (project `saver<n>`) are outside of its plan, so none may be missing. Savers
    push to one layout too, and cleaners collect it.
    """
    dice = random.Random(seed)
    count = dice.randint(2, 8)
    save_image(root, _HELD, "held")
    logs = []
    with ExitStack() as stack:
        stack.enter_context(lease.taken(root, _HELD, "race"))
        children = []
        for number in range(count):
            log = root.parent / f"log{seed}.{number}"
            logs.append(log)
            clean = number > 0 and dice.random() < 0.5
            child = os.fork()
            if child == 0:
                _child(root, number, clean, seed, log)
            children.append(child)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        faults = [f"a process ended with {code}" for code in codes if code]
        faults += _check(root, [line for log in logs for line in log.read_text().splitlines()])
    for log in logs:
        log.unlink()
    cleanup.reap(root)
    faults += [f"left over: {one.what} {one.path}" for one in cleanup.leftovers(root)]
    return [f"round {seed}: {fault}" for fault in faults]


def _child(root: Path, number: int, clean: bool, seed: int, log: Path) -> None:
    code = 1
    try:
        # Not the parent's: its file is this process's too, and would hold the lease by itself.
        with log.open("a", buffering=1) as said:
            for turn in range(3):
                if clean:
                    _clean(root, said.write)
                else:
                    _save(root, number, turn, seed, said.write)
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, the parent reports it
        log.write_text(f"failed {traceback.format_exc()!r}\n")
    finally:
        os._exit(code)


def _save(root: Path, number: int, turn: int, seed: int, say: object) -> None:
    assert callable(say)
    own = f"saver{number}-ubuntu-24.04-gcc{13 + turn % 2}"
    for name in (own, _SHARED[(number + turn) % len(_SHARED)]):
        start = time.monotonic()
        saved = save_image(root, name, f"{seed} {number} {turn}")
        say(f"saved {name} {saved.entry.digest} {start}\n")
    content, source = an_image(f"pushed {seed} {number} {turn}")
    layouts.write(_layout(root), source, content, [f"tag{number}"])
    say(f"tagged tag{number} {source.digest} 0\n")


def _layout(root: Path) -> Path:
    return root / "layouts" / "app"


def _clean(root: Path, say: object) -> None:
    assert callable(say)
    # A lease that was overlooked would show: the held image is offered like the others.
    items = [
        Item(one.entry, one.size)
        for one in cleanup.snapshot(root, {})
        if one.entry.name in (*_SHARED, _HELD)
    ]
    plan = prune.plan(items, Policy(max_total_size=0), free=0, now=datetime.now(UTC))
    cleanup.reap(root)
    for directory in collect.directories(root):
        collect.collect(directory)
    cleanup.carry_out(root, plan, lambda one: say(f"removed {one.name} - {time.monotonic()}\n"))


def _check(root: Path, lines: list[str]) -> Iterator[str]:
    yield from (line for line in lines if line.startswith("failed"))
    events = [line.split() for line in lines if not line.startswith("failed")]
    saved: dict[str, list[tuple[float, str]]] = {}
    removed: dict[str, float] = {}
    tagged: dict[str, str] = {}
    for verb, name, digest, when in events:
        if verb == "tagged":
            tagged[name] = digest
        elif verb == "saved":
            saved.setdefault(name, []).append((float(when), digest))
        else:
            removed[name] = max(removed.get(name, 0), float(when))
    if _HELD in removed:
        yield "the leased image was removed"
    entries = {entry.name: entry for entry in catalog_file.read(root).entries}
    for name in (_HELD, *saved):
        if name not in entries:
            last = max(start for start, _ in saved.get(name, [(0.0, "")]))
            if name not in _SHARED or removed.get(name, 0) < last:
                yield f"{name} was acknowledged and is lost"
    for name, entry in entries.items():
        with opened(root, name, "check") as found:
            archive.verify(found.archive, found.image)
            digest = str(found.image.manifest.digest)
        if digest != entry.digest:
            yield f"{name} is not what its entry says"
        known = [one for _, one in saved.get(name, [])]
        if name.startswith("saver") and known and digest != known[-1]:
            yield f"{name} is not what was saved last"
        if name in _SHARED and known and digest not in known:
            yield f"{name} is nobody's"
    found_layout = Layout(_layout(root))
    tags = found_layout.index().tags()
    for name, digest in tagged.items():
        if name not in tags or str(tags[name].digest) != digest:
            yield f"{name} does not lead to what was pushed last"
    for root_of in tags.values():
        for item, _ in walk(found_layout, root_of):
            with found_layout.open(item) as file:
                if hashlib.sha256(file.read()).hexdigest() != item.digest.hex:
                    yield f"{item.digest} is not whole"
    for path in places.images(root).rglob("*.tar"):
        if not path.name.startswith(".") and path.name.removesuffix(".tar") not in entries:
            yield f"{path.name} has no entry"
