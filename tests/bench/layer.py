"""A directory as a layer, by us and by peers, on the same inputs in one run.

    bazel run //tests/bench:layer -- --cases=a,b --rounds=3

Inputs are made first, the same in every run on one machine. Tools take turns; every one reads its
input through the page cache, which a first round that is not counted fills. Printed are medians of
seconds, CPU seconds, peak memory of the process and what it starts, and sizes; then what changes
cost in a worker. Slow peers run once.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.layer_inputs import CASES, Tree, existing_tree, make_tree
from tests.bench.layer_tools import PEERS, Tool, environment, lading, peers
from tests.bench.layer_worker import SCENARIOS, Spent, scenarios

__all__ = ["main"]

_OURS = [
    ("gzip", "fast"),
    ("gzip", "small"),
    ("gzip", "smallest"),
    ("zstd", "fast"),
    ("zstd", "small"),
]


@dataclass
class _Runs:
    """What was measured of a tool: seconds, CPU seconds, bytes."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: int = 0
    size: int = 0
    failed: bool = False


def _run(tool: Tool, runs: _Runs, directory: str | None, *, counted: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="lading-bench-", dir=directory) as name:
        scratch = Path(name)
        tool.prepare(scratch)
        started = time.perf_counter()
        with subprocess.Popen(tool.command(scratch), env=environment()) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
        if process.returncode:
            if not tool.rival or tool.name.startswith("lading"):
                sys.exit(f"{tool.name} ended with {process.returncode}")
            sys.stderr.write(f"{tool.name} ended with {process.returncode} and is left out\n")
            runs.failed = True
        elif counted:
            runs.seconds.append(seconds)
            runs.cpu.append(usage.ru_utime + usage.ru_stime)
            runs.size = tool.size(scratch)
            runs.peak = max(runs.peak, usage.ru_maxrss << 10)


def _measure(tools: list[Tool], rounds: int, directory: str | None) -> dict[str, _Runs]:
    runs = {tool.name: _Runs() for tool in tools}
    for number in range(rounds + 1):
        for tool in tools[number % len(tools) :] + tools[: number % len(tools)]:
            if not runs[tool.name].failed and (not tool.slow or number == 1):
                _run(tool, runs[tool.name], directory, counted=number > 0)
    return runs


def _print_tools(tools: list[Tool], all_runs: dict[str, _Runs]) -> None:
    print("| | seconds | CPU | MB | peak MiB | time, to umoci | size, to umoci |")
    print("|---|---|---|---|---|---|---|")
    for tool in tools:
        runs = all_runs[tool.name]
        if runs.failed:
            continue
        median = statistics.median(runs.seconds)
        ratios = " | "
        rival = all_runs.get(tool.rival)
        if rival is not None:
            time_ratio = median / statistics.median(rival.seconds)
            ratios = f"{time_ratio:.2f} × | {runs.size / rival.size:.3f} ×"
        print(
            f"| {tool.name} | {_short(median)} | {statistics.median(runs.cpu):.2f} "
            f"| {runs.size / 1e6:.1f} | {runs.peak / 2**20:.0f} | {ratios} |"
        )


def _print_worker(name: str, spent: dict[str, list[Spent]], peak: int) -> None:
    cold = statistics.median(one.seconds for one in spent["cold"])
    cold_cpu = statistics.median(one.cpu for one in spent["cold"])
    for scenario in SCENARIOS:
        median = statistics.median(one.seconds for one in spent[scenario])
        cpu = statistics.median(one.cpu for one in spent[scenario])
        of_cpu = f"{cpu / cold_cpu:.2f} ×" if cold_cpu else ""
        print(
            f"| {name}, {scenario} | {_short(median)} | {cpu:.2f} | {median / cold:.2f} × "
            f"| {of_cpu} | {peak / 2**20:.0f} |"
        )


def _short(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds >= 0.1 else f"{seconds:.4f}"


def _case(case: str, tree: Tree, options: argparse.Namespace) -> None:
    what = CASES.get(case, str(tree.root))
    print(f"\n({case}) {what}: {len(tree.files)} files, {tree.bytes / 1e6:.0f} MB\n")
    if not options.only_worker:
        tools = [lading(tree, *choice) for choice in _OURS]
        if case != "e":
            tools += peers(tree, [name for name in options.peers.split(",") if name])
        _print_tools(tools, _measure(tools, options.rounds, options.scratch))
    if case == "e":
        return
    print("\n| in a worker | seconds | CPU | time, to cold | CPU, to cold | peak MiB |")
    print("|---|---|---|---|---|---|")
    for kind in ("gzip", "zstd"):
        with tempfile.TemporaryDirectory(prefix="lading-bench-", dir=options.scratch) as name:
            flags = [f"--compression={kind}", "--profile=fast"]
            found = scenarios(tree, flags, Path(name), options.rounds)
            _print_worker(f"{kind} fast", *found)


def main() -> None:
    """Runs the benchmark and prints its tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", default="a,b,c,d", help="of " + ", ".join(CASES))
    parser.add_argument("--rounds", type=int, default=3, help="that are counted, besides one")
    parser.add_argument("--peers", default="umoci,tar,crane,buildah", help="of " + ", ".join(PEERS))
    parser.add_argument("--tree", type=Path, help="a directory to measure instead of the cases")
    parser.add_argument("--only-worker", action="store_true", help="leave out one-shot runs")
    parser.add_argument("--seed", type=int, default=1, help="of the inputs")
    parser.add_argument("--scratch", default=None, help="where inputs and results are written")
    options = parser.parse_args()
    if options.tree:
        _case("tree", existing_tree(options.tree.absolute()), options)
        return
    unknown = set(options.cases.split(",")) - set(CASES)
    if unknown:
        parser.error(f"there is no case {', '.join(sorted(unknown))}")
    for case in options.cases.split(","):
        with tempfile.TemporaryDirectory(prefix="lading-bench-", dir=options.scratch) as name:
            _case(case, make_tree(case, Path(name, "tree"), seed=options.seed), options)


if __name__ == "__main__":
    main()
