"""Many builds of a tiny layer: what an action costs when there is nothing to do.

In a worker, each request is for a layer that the worker has not seen. It is timed from outside,
from the request to the response, and inside the tool: this module, run as a program, is the worker
with a clock around each run.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from lading.actions import layer, worker
from tests.bench.layer_inputs import Tree
from tests.bench.layer_tools import environment, lading, sources
from tests.bench.layer_worker import Worker, digests
from tests.bench.measure import measure

__all__ = ["ONE_SHOT", "WORKER", "Row", "tiny"]

_REQUESTS = 300
_RUNS = 60
#: What is asked of each, in seconds.
WORKER, ONE_SHOT = 0.001, 0.040


class Row(NamedTuple):
    """Seconds of many runs."""

    name: str
    median: float
    p95: float
    asked: float


def tiny(tree: Tree, kind: str, directory: str | None) -> list[Row]:
    """Measures the profile fast of a compression in a worker and in programs of their own."""
    with tempfile.TemporaryDirectory(prefix="lading-bench-", dir=directory) as name:
        outside, inside = _in_worker(tree, kind, Path(name))
    return [
        _row(f"{kind} fast, worker, inside the tool", inside, WORKER),
        _row(f"{kind} fast, worker, request to response", outside, WORKER),
        _row(f"{kind} fast, one-shot", _one_shot(tree, kind, directory), ONE_SHOT),
    ]


def _row(name: str, seconds: list[float], asked: float) -> Row:
    return Row(name, statistics.median(seconds), statistics.quantiles(seconds, n=20)[-1], asked)


def _in_worker(tree: Tree, kind: str, scratch: Path) -> tuple[list[float], list[float]]:
    times = scratch / "times"
    running = Worker(scratch, [sys.executable, "-m", "tests.bench.layer_tiny", str(times)])
    lines, inputs = sources(tree), digests(tree)
    flags = [f"--compression={kind}", "--profile=fast"]
    outside = [
        running.build(f"layer{number}", flags, lines, inputs).seconds
        for number in range(_REQUESTS + 20)
    ]
    running.close()
    inside = [float(line) for line in times.read_text().split()]
    # The first requests import what a build needs.
    return outside[20:], inside[20:]


def _one_shot(tree: Tree, kind: str, directory: str | None) -> list[float]:
    tool = lading(tree, kind, "fast")
    with tempfile.TemporaryDirectory(prefix="lading-bench-", dir=directory) as name:
        tool.prepare(Path(name))
        command = tool.command(Path(name))
        runs = [measure(command, environment()).seconds for _ in range(_RUNS + 2)]
    return runs[2:]


def _main() -> None:
    times = open(sys.argv[1], "w", buffering=1)  # noqa: SIM115  # the worker ends without return

    def run(request: worker.Request) -> None:
        started = time.perf_counter()
        layer.run(request)
        times.write(f"{time.perf_counter() - started}\n")

    worker.main(run)


if __name__ == "__main__":
    _main()
