"""A directory as a layer, by us and by peers, on the same inputs in one run.

    bazel run //tests/bench:layer -- --cases=a,b --rounds=3

Inputs are made first, of real packages (`layer_inputs`). Tools take turns; every one reads its
input through the page cache, which a first round that is not counted fills; in that round, each
tool's layer is compared with the input. Printed are medians of seconds, CPU seconds, peak memory of
the process and what it starts, and sizes; the floor that nothing can be faster than
(`layer_limit`); then what changes cost in a worker. Slow peers run once.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.layer_check import check
from tests.bench.layer_inputs import CASES, Tree, Wheels, existing_tree, make_tree
from tests.bench.layer_limit import STAGES, Limit, limit
from tests.bench.layer_packages import OBJECTS, PACKAGES, UnavailableError, fetch
from tests.bench.layer_peers import PEERS, peers
from tests.bench.layer_tiny import tiny
from tests.bench.layer_tools import Tool, environment, lading
from tests.bench.layer_worker import SCENARIOS, Spent, scenarios
from tests.bench.measure import measure

__all__ = ["main"]

_OURS = [
    ("gzip", "fast"),
    ("gzip", "small"),
    ("gzip", "smallest"),
    ("zstd", "fast"),
    ("zstd", "small"),
]
#: Bytes of trees whose layers are checked; of more, it takes long and they are nothing but zeros.
_CHECKED = range(4 << 30)
#: Bytes of trees that have a limit worth telling; of less, all is overhead.
_LIMITED = range(1 << 20, 4 << 30)


@dataclass
class _Runs:
    """What was measured of a tool: seconds, CPU seconds, bytes."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: int = 0
    size: int = 0
    failed: bool = False


def _run(tool: Tool, tree: Tree, runs: _Runs, directory: str | None, *, counted: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="lading-bench-", dir=directory) as name:
        scratch = Path(name)
        tool.prepare(scratch)
        spent = measure(tool.command(scratch), environment())
        if spent.code:
            _refuse(tool, runs, f"ended with {spent.code}")
        elif counted:
            runs.seconds.append(spent.seconds)
            runs.cpu.append(spent.cpu)
            runs.size = tool.blob(scratch).stat().st_size
            runs.peak = max(runs.peak, spent.peak)
        elif tree.bytes in _CHECKED and not check(tree, tool.blob(scratch), tool.prefix):
            _refuse(tool, runs, "made a layer of other files")


def _refuse(tool: Tool, runs: _Runs, problem: str) -> None:
    if tool.name.startswith("lading"):
        sys.exit(f"{tool.name} {problem}")
    sys.stderr.write(f"{tool.name} {problem} and is left out\n")
    runs.failed = True


def _measure(
    tools: list[Tool], tree: Tree, rounds: int, directory: str | None
) -> tuple[dict[str, _Runs], dict[tuple[str, str], list[Limit]]]:
    runs = {tool.name: _Runs() for tool in tools}
    limits: dict[tuple[str, str], list[Limit]] = {choice: [] for choice in _OURS}
    for number in range(rounds + 1):
        for tool in tools[number % len(tools) :] + tools[: number % len(tools)]:
            if not runs[tool.name].failed and (not tool.slow or number < 2):
                _run(tool, tree, runs[tool.name], directory, counted=number > 0)
        for choice, found in limits.items():
            if number and tree.bytes in _LIMITED:
                with tempfile.TemporaryDirectory(prefix="lading-bench-", dir=directory) as name:
                    found.append(limit(tree, *choice, Path(name)))
    return runs, limits


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
        if rival is not None and not rival.failed:
            time_ratio = median / statistics.median(rival.seconds)
            ratios = f"{time_ratio:.2f} × | {runs.size / rival.size:.3f} ×"
        print(
            f"| {tool.name} | {_short(median)} | {statistics.median(runs.cpu):.2f} "
            f"| {runs.size / 1e6:.1f} | {runs.peak / 2**20:.0f} | {ratios} |"
        )


def _print_limits(limits: dict[tuple[str, str], list[Limit]], all_runs: dict[str, _Runs]) -> None:
    print(f"\n| limit, on {len(os.sched_getaffinity(0))} processors | seconds | CPU | MB ", end="")
    print(f"| time, to the limit | CPU of: {' | '.join(STAGES)} |")
    print("|---|" + "---|" * (4 + len(STAGES)))
    for choice, found in limits.items():
        name = " ".join(choice)
        least = statistics.median(one.least for one in found)
        ours = statistics.median(all_runs[f"lading {name}"].seconds)
        stages = " | ".join(
            f"{statistics.median(one.seconds[stage] for one in found):.2f}" for stage in STAGES
        )
        print(
            f"| {name} | {_short(least)} | {statistics.median(one.cpu for one in found):.2f} "
            f"| {found[0].size / 1e6:.1f} | {ours / least:.2f} × | {stages} |"
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


def _case(case: str, tree: Tree, made_of: str, options: argparse.Namespace) -> None:
    what = CASES.get(case, str(tree.root))
    size = f"{len(tree.files)} files, {tree.bytes / 1e6:.0f} MB"
    print(f"\n({case}) {what}: {size}; {made_of}\n", flush=True)
    if not options.only_worker:
        tools = [lading(tree, *choice) for choice in _OURS]
        if case != "e":
            tools += peers(tree, [name for name in options.peers.split(",") if name])
        runs, limits = _measure(tools, tree, options.rounds, options.scratch)
        _print_tools(tools, runs)
        if tree.bytes in _LIMITED:
            _print_limits(limits, runs)
    if case == "c":
        print("\n| | median, ms | p95, ms | asked, ms |\n|---|---|---|---|")
        for kind in ("gzip", "zstd"):
            for row in tiny(tree, kind, options.scratch):
                print(f"| {row.name} | {row.median * 1e3:.2f} | {row.p95 * 1e3:.2f} ", end="")
                print(f"| {row.asked * 1e3:.0f} |")
    elif case != "e":
        print("\n| in a worker | seconds | CPU | time, to cold | CPU, to cold | peak MiB |")
        print("|---|---|---|---|---|---|")
        for kind in ("gzip", "zstd"):
            with tempfile.TemporaryDirectory(prefix="lading-bench-", dir=options.scratch) as name:
                flags = [f"--compression={kind}", "--profile=fast"]
                found = scenarios(tree, flags, Path(name), options.rounds)
                _print_worker(f"{kind} fast", *found)


def _wheels(options: argparse.Namespace) -> Wheels | None:
    """What inputs are made of; None, which is said, where it cannot be had."""
    if options.generated:
        return None
    try:
        return Wheels(*(fetch([lock], options.cache) for lock in (PACKAGES, OBJECTS)))
    except UnavailableError as error:
        sys.stderr.write(f"no real packages, inputs are generated: {error}\n")
        return None


def main() -> None:
    """Runs the benchmark and prints its tables."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", default="a,b,c,d", help="of " + ", ".join(CASES))
    parser.add_argument("--rounds", type=int, default=3, help="that are counted, besides one")
    parser.add_argument("--peers", default="umoci,tar,crane,buildah", help="of " + ", ".join(PEERS))
    parser.add_argument("--tree", type=Path, help="a directory to measure instead of the cases")
    parser.add_argument("--only-worker", action="store_true", help="leave out one-shot runs")
    parser.add_argument(
        "--generated", action="store_true", help="inputs of the machine's files, none of packages"
    )
    parser.add_argument("--seed", type=int, default=1, help="of what is random in inputs")
    parser.add_argument("--scratch", default=None, help="where inputs and results are written")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(cache, "lading", "bench").expanduser(),
        help="where downloaded packages are kept",
    )
    options = parser.parse_args()
    # Whoever ends the benchmark wants no gigabytes left in a temporary directory.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if options.tree:
        _case("tree", existing_tree(options.tree.absolute()), "as it is", options)
        return
    unknown = set(options.cases.split(",")) - set(CASES)
    if unknown:
        parser.error(f"there is no case {', '.join(sorted(unknown))}")
    wheels = _wheels(options)
    for case in options.cases.split(","):
        with tempfile.TemporaryDirectory(prefix="lading-bench-", dir=options.scratch) as name:
            tree = make_tree(case, Path(name, "tree"), wheels, seed=options.seed)
            made_of = "generated from files of this machine"
            if case == "e":
                made_of = "zeros"
            elif wheels:
                made_of = f"input {tree.fingerprint()}"
            _case(case, tree, made_of, options)


if __name__ == "__main__":
    main()
