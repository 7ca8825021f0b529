"""Pushes to a real registry, measured beside other programs in the same run.

    ./bazelw run //tests/bench:push -- --repeat=5

Everything lies on tmpfs, so that no disk is measured; each cold push meets a new registry. Rounds
are interleaved and medians are shown, because the machine may have other things to do. CPU seconds
are those of the program that pushes, without the registry's.
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
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.bench import push_images
from tests.bench.measure import measure
from tests.bench.push_images import MIB, Image
from tests.bench.push_tools import Tool, tools
from tests.integration.harness import servers

_ORDER = ["lading", "lading, inside", "crane", "oras", "skopeo", "docker push"]

#: Every run, by scenario and tool.
Results = defaultdict[str, defaultdict[str, list["Run"]]]


class Run(NamedTuple):
    """What a run took: seconds, seconds of processors (for the program alone), peak MiB."""

    seconds: float
    cpu: float
    peak: float


def main() -> None:
    """Prints one Markdown table a scenario."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5, help="rounds of every scenario")
    parser.add_argument("--many", type=int, default=200, help="number of small images")
    parser.add_argument("--size", type=int, default=1024, help="MiB of the large image")
    parser.add_argument("--tools", default="", help="names, separated by commas; all by default")
    parser.add_argument("--docker", action="store_true", help="compare docker push too (slow)")
    parser.add_argument("--scratch", default="/dev/shm", help="directory on tmpfs")
    options = parser.parse_args()
    results: Results = defaultdict(lambda: defaultdict(list))
    # Where Bazel put the modules, whatever the way in which this program found them.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.scratch)))
        # What was pushed before is no business of these.
        os.environ["XDG_CACHE_HOME"] = str(directory / "cache")
        # As after a first run: modules are compiled.
        os.environ["PYTHONPYCACHEPREFIX"] = str(directory / "pycache")
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        host = stack.enter_context(servers.docker_daemon()) if options.docker else ""
        chosen = [
            tool
            for tool in tools(directory, host)
            if tool.here
            and (not options.tools or tool.name in options.tools.split(","))
            and (host or tool.program != "dockerd")
        ]
        _large(chosen, directory, options.size, options.repeat, results)
        _small(chosen, directory, options.many, options.repeat, results)
    for scenario, rows in results.items():
        _table(scenario, rows)


def _large(chosen: list[Tool], directory: Path, size: int, repeat: int, results: Results) -> None:
    layers = [(f"layer{number}", size * MIB // 10) for number in range(10)]
    image = push_images.make(directory / "large", layers)
    changed = push_images.make(directory / "changed", [*layers[:9], ("new", size * MIB // 10)])
    # The first round warms up.
    for number in range(repeat + 1):
        for tool in _rotated(chosen, number):
            with _registry(directory) as registry:
                for scenario, pushed in [
                    (f"{size} MiB in 10 layers, cold", image),
                    ("the same again, unchanged", image),
                    ("one layer changed", changed),
                ]:
                    run = _push(tool, pushed, registry, "large")
                    if number:
                        results[scenario][tool.name].append(run)


def _small(chosen: list[Tool], directory: Path, many: int, repeat: int, results: Results) -> None:
    images = [
        push_images.make(
            directory / f"small{number}", [("base", 64 * 1024), (f"own{number}", 16 * 1024)]
        )
        for number in range(many)
    ]
    for number in range(repeat):
        for tool in _rotated(chosen, number):
            with _registry(directory) as registry:
                for scenario in (f"{many} small images, cold", f"{many} small images, unchanged"):
                    results[scenario][tool.name].append(_push_all(tool, images, registry))


def _rotated(chosen: list[Tool], number: int) -> list[Tool]:
    """Each tool comes first in its turn: what one leaves behind is not always the same one's."""
    number %= len(chosen)
    return chosen[number:] + chosen[:number]


def _push(tool: Tool, image: Image, registry: str, repository: str) -> Run:
    if tool.prepare is not None:
        subprocess.run(tool.prepare(image, registry, repository), check=True)
    return _run(tool, tool.one(image, registry, repository))


def _push_all(tool: Tool, images: list[Image], registry: str) -> Run:
    """All images: in one run where the tool can, else one after the other."""
    jobs = [(image, registry, image.directory.name) for image in images]
    if tool.many is not None:
        return _run(tool, tool.many(jobs))
    runs = [_push(tool, *job) for job in jobs]
    return Run(
        sum(run.seconds for run in runs),
        sum(run.cpu for run in runs),
        max(run.peak for run in runs),
    )


def _run(tool: Tool, command: list[str]) -> Run:
    """What a command took that has to succeed."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        spent = measure(command, os.environ, output=output, errors=errors)
        output.seek(0)
        errors.seek(0)
        if spent.code != 0:
            sys.exit(f"{' '.join(command)} ended with {spent.code}\n{errors.read()}")
        seconds = float(output.read()) if tool.inside else spent.seconds
    return Run(seconds, spent.cpu, spent.peak / MIB)


@contextlib.contextmanager
def _registry(directory: Path) -> Iterator[str]:
    place = directory / "registry"
    place.mkdir()
    try:
        with servers.docker_registry(place) as registry:
            yield registry
    finally:
        shutil.rmtree(place)


def _table(scenario: str, rows: dict[str, list[Run]]) -> None:
    print(f"\n### {scenario}\n\n| | median s | best s | median CPU s | peak MiB |")
    print("|---|---|---|---|---|")
    for name, runs in sorted(rows.items(), key=lambda row: _ORDER.index(row[0])):
        seconds = [run.seconds for run in runs]
        cpu = statistics.median(run.cpu for run in runs)
        peak = max(run.peak for run in runs)
        print(
            f"| {name} | {statistics.median(seconds):.3f} | {min(seconds):.3f} | {cpu:.3f}"
            f" | {peak:.0f} |"
        )
    sys.stdout.flush()


if __name__ == "__main__":
    main()
