"""The image store, measured: saving beside `cp`, finding among many images, loading again.

    bazelw run -c opt //tests/bench:store -- --repeat=5 --scratch=/var/tmp

Every figure is a whole command, from its start to its end. Saving and copying take turns, with
the same bytes in the page cache; `cp` is followed by an fsync of each copy, because a save is on
the disk when it ends.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

from lading.store import places
from lading.store.entry import Entry
from tests.bench import push_images
from tests.bench.push_images import MIB
from tests.integration.harness import servers

_STORE = (sys.executable, "-m", "lading.commands.store.main")
_NAME = "bench-ubuntu-24.04-gcc13"


def main() -> None:
    """Prints one line a measurement: the median, the fastest and the slowest run in seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5, help="runs of everything")
    parser.add_argument("--size", type=int, default=1024, help="MiB of the image that is saved")
    parser.add_argument("--entries", type=int, default=5000, help="images in the catalog")
    parser.add_argument("--docker", action="store_true", help="load into a Docker daemon too")
    parser.add_argument("--scratch", default="/var/tmp", help="directory on the disk to measure")
    options = parser.parse_args()
    # Where Bazel put the modules, whatever the way in which this program found them.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        directory = Path(name)
        # As after a first run: modules are compiled.
        os.environ["PYTHONPYCACHEPREFIX"] = str(directory / "pycache")
        _saving(directory, options.size, options.repeat)
        _finding(directory / "many", options.entries, options.repeat)
        if options.docker:
            _loading(directory, options.repeat)


def _saving(directory: Path, size: int, repeat: int) -> None:
    layers = [(f"layer{number}", size * MIB // 10) for number in range(10)]
    image = push_images.make(directory / "image", layers)
    store, copy = directory / "store", directory / "copy"
    save = [*_STORE, "save", _NAME, f"oci:{image.directory}", f"--store={store}"]
    seconds: dict[str, list[float]] = {"save": [], "cp, fsync": [], "cp": [], "saved already": []}
    for turn in range(repeat + 1):  # the first turn warms up
        for gone in (store, copy):
            shutil.rmtree(gone, ignore_errors=True)
        subprocess.run(["sync"], check=True)
        saved = _run(save)
        again = _run(save)
        shutil.rmtree(store)
        subprocess.run(["sync"], check=True)
        copied = _run(["cp", "-r", image.directory / "blobs", copy])
        synced = _run(["sync", *(copy / "sha256").iterdir(), copy / "sha256"])
        if turn:
            for key, value in zip(seconds, (saved, copied + synced, copied, again), strict=True):
                seconds[key].append(value)
    shutil.rmtree(image.directory)
    for what, values in seconds.items():
        _show(f"{size} MiB, {what}", values)
    median = {what: statistics.median(values) for what, values in seconds.items()}
    print(f"save / cp, fsync: {median['save'] / median['cp, fsync']:.2f}")


def _finding(store: Path, count: int, repeat: int) -> None:
    entries = [_entry(number) for number in range(count)]
    store.mkdir()
    value = {"version": "1.0", "images": [entry.to_values() for entry in entries]}
    places.catalog(store).write_text(yaml.safe_dump(value, sort_keys=False))
    required = ["--os=ubuntu-24.04", "--arch=amd64", "--compiler=gcc13", "--package=cmake"]
    first = _run([*_STORE, "list", f"--store={store}"])
    print(f"list of {count}, the first after a change by hand: {first:.3f} s")
    for words in (
        ["list"],
        ["list", "--json"],
        ["match", *required],
        ["match", "--json", *required],
    ):
        runs = [_run([*_STORE, *words, f"--store={store}"]) for _ in range(repeat)]
        _show(f"{count} entries, {' '.join(words[:2])[:14]}", runs)


def _loading(directory: Path, repeat: int) -> None:
    image = push_images.make(directory / "loaded", [(f"part{n}", 40 * MIB) for n in range(5)])
    store = directory / "store"
    _run([*_STORE, "save", _NAME, f"oci:{image.directory}", f"--store={store}"])
    with servers.docker_daemon() as host:
        load = [*_STORE, "load", _NAME, f"--store={store}", f"--host={host}"]
        print(f"200 MiB, load, first: {_run(load):.3f} s")
        _show("200 MiB, load, layers present", [_run(load) for _ in range(repeat)])
        with contextlib.suppress(subprocess.CalledProcessError):
            _run(["docker", "--host", host, "image", "rm", "--force", f"{_NAME}:latest"])


def _entry(number: int) -> Entry:
    release = ("22.04", "24.04", "25.04")[number % 3]
    # Words of letters only, so that every number is a name of its own.
    word = "".join(chr(ord("a") + int(digit)) for digit in str(number))
    name = f"project{word}-ubuntu-{release}-gcc{11 + number % 5}"
    return Entry(
        name=name,
        file=f"images/project{word}/{name}.tar",
        docker_tag=f"{name}:latest",
        os=f"ubuntu-{release}",
        architecture="amd64",
        compilers=(f"gcc{11 + number % 5}",),
        packages=tuple(["cmake", "git", "make", "python3"][: number % 5]),
        tools=("ninja",),
        created="2026-11-20T12:00:00Z",
        last_used=f"2026-11-20T12:{number % 60:02}:00Z",
        usage_count=number % 7,
        size_mb=123.456,
        digest=f"sha256:{number:064x}",
        image_id=f"sha256:{number:064x}",
    )


def _run(command: Sequence[str | Path]) -> float:
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
    return time.perf_counter() - started


def _show(what: str, seconds: list[float]) -> None:
    median = statistics.median(seconds)
    print(f"{what}: {median:.3f} s ({min(seconds):.3f} - {max(seconds):.3f})")


if __name__ == "__main__":
    main()
