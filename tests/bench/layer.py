"""A directory as a layer, by us and by peers, on the same tree in one run.

    bazel run //tests/bench:layer -- --tree=DIRECTORY [--rounds=5]

Tools take turns; every one reads the tree through the page cache, which a first round that is not
counted fills. Prints medians of seconds, sizes, and peak memory of the process and what it starts.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["main"]


@dataclass
class Tool:
    """A way to make a layer: `prepare` is not measured, `command` is; `size` reads the result."""

    name: str
    prepare: Callable[[Path], None]
    command: Callable[[Path], list[str]]
    size: Callable[[Path], int]
    seconds: list[float] = field(default_factory=list)
    bytes: int = 0
    peak: int = 0


def _lading(tree: Path, name: str, *flags: str) -> Tool:
    def prepare(scratch: Path) -> None:
        lines = [f"--output={scratch / 'blob'}", f"--metadata={scratch / 'metadata'}", *flags]
        for directory, names, files in os.walk(tree):
            names.sort()
            for file in files:
                path = Path(directory, file)
                if not path.is_symlink():
                    lines.append(f"F\t/data/{path.relative_to(tree)}\t{path}")
        (scratch / "params").write_text("".join(f"{line}\n" for line in lines))

    return Tool(
        name,
        prepare,
        lambda scratch: [sys.executable, "-m", "lading.actions.layer", f"@{scratch / 'params'}"],
        lambda scratch: (scratch / "blob").stat().st_size,
    )


def _umoci(tree: Path, name: str, *flags: str) -> Tool:
    def prepare(scratch: Path) -> None:
        layout = scratch / "layout"
        subprocess.run(["umoci", "init", "--layout", layout], check=True)
        subprocess.run(["umoci", "new", "--image", f"{layout}:x"], check=True)

    def size(scratch: Path) -> int:
        return max(path.stat().st_size for path in (scratch / "layout/blobs/sha256").iterdir())

    return Tool(
        name,
        prepare,
        lambda scratch: [
            *("umoci", "insert", *flags, "--image", f"{scratch / 'layout'}:x", str(tree), "/data")
        ],
        size,
    )


def _tools(tree: Path) -> list[Tool]:
    found = [
        _lading(tree, "lading gzip fast", "--compression=gzip", "--profile=fast"),
        _lading(tree, "lading gzip small", "--compression=gzip", "--profile=small"),
        _lading(tree, "lading gzip smallest", "--compression=gzip", "--profile=smallest"),
        _lading(tree, "lading zstd fast", "--compression=zstd", "--profile=fast"),
        _lading(tree, "lading zstd small", "--compression=zstd", "--profile=small"),
    ]
    if shutil.which("umoci"):
        found.append(_umoci(tree, "umoci gzip"))
        found.append(_umoci(tree, "umoci zstd", "--compress=zstd"))
    return found


def _run(tool: Tool, directory: str, *, counted: bool) -> None:
    with tempfile.TemporaryDirectory(dir=directory) as name:
        scratch = Path(name)
        tool.prepare(scratch)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        started = time.perf_counter()
        with subprocess.Popen(tool.command(scratch), env=environment) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
        if process.returncode:
            sys.exit(f"{tool.name} ended with {process.returncode}")
        tool.bytes = tool.size(scratch)
        if counted:
            tool.seconds.append(seconds)
            tool.peak = max(tool.peak, usage.ru_maxrss << 10)


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tree", type=Path, required=True, help="directory to make layers of")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scratch", default=None, help="where results are written")
    options = parser.parse_args()
    tools = _tools(options.tree.resolve())
    for number in range(options.rounds + 1):
        for tool in tools[number % len(tools) :] + tools[: number % len(tools)]:
            _run(tool, options.scratch, counted=number > 0)
    peers = {tool.name.split()[1]: tool for tool in tools if tool.name.startswith("umoci")}
    print(f"{'':<22}{'seconds':>9}{'MB':>9}{'peak MiB':>10}{'time':>8}{'size':>8}")
    for tool in tools:
        median = statistics.median(tool.seconds)
        peer = peers.get(tool.name.split()[1])
        ratios = (
            f"{median / statistics.median(peer.seconds):>7.2f}×{tool.bytes / peer.bytes:>7.3f}×"
            if peer and peer is not tool
            else ""
        )
        measured = f"{median:>9.2f}{tool.bytes / 1e6:>9.1f}{tool.peak / 2**20:>10.0f}"
        print(f"{tool.name:<22}{measured}{ratios}")


if __name__ == "__main__":
    main()
