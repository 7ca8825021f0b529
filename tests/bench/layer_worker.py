"""The layer tool as a persistent worker, driven by Bazel's protocol: what a change costs."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.bench.layer_inputs import Tree
from tests.bench.layer_tools import PROGRAM, environment, sources

__all__ = ["SCENARIOS", "Spent", "Worker", "digests", "scenarios"]

#: What is measured in a worker, in this order.
SCENARIOS = ("cold", "nothing", "last", "middle", "first", "inserted")


class Spent(NamedTuple):
    """Seconds from a request to its response, and CPU seconds of the worker in between."""

    seconds: float
    cpu: float


def _digest(data: bytes) -> str:
    """As Bazel sends it: hex, and that in Base64, because the field holds bytes."""
    return base64.b64encode(hashlib.sha256(data).hexdigest().encode()).decode()


def digests(tree: Tree) -> dict[str, str]:
    """What Bazel tells a worker of the files of `tree`, by their paths."""
    found = {}
    for name in tree.files:
        with (tree.root / name).open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        found[f"{tree.root}/{name}"] = base64.b64encode(digest.encode()).decode()
    return found


class Worker:
    """A worker process that `program` is the command of."""

    def __init__(self, scratch: Path, program: Sequence[str] = PROGRAM) -> None:
        self._scratch = scratch
        self._process = subprocess.Popen(
            [*program, "--persistent_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
        )

    def build(self, name: str, flags: list[str], lines: list[str], inputs: dict[str, str]) -> Spent:
        """Builds a layer; the request is made before the clock starts."""
        blob = self._scratch / name
        blob.unlink(missing_ok=True)
        params = self._scratch / "params"
        arguments = [f"--output={blob}", f"--metadata={blob}.json", *flags, *lines]
        params.write_text("".join(f"{line}\n" for line in arguments))
        request = {
            "arguments": [f"@{params}"],
            "inputs": [{"path": path, "digest": digest} for path, digest in inputs.items()],
            "requestId": 1,
        }
        line = json.dumps(request).encode() + b"\n"
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        cpu = self._cpu()
        started = time.perf_counter()
        stdin.write(line)
        stdin.flush()
        response = json.loads(stdout.readline())
        seconds = time.perf_counter() - started
        if response["exitCode"]:
            sys.exit(f"the worker failed: {response['output']}")
        return Spent(seconds, self._cpu() - cpu)

    def _cpu(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak(self) -> int:
        """Bytes of memory at most, so far."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) << 10

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@contextmanager
def _changed(path: Path, data: bytes) -> Iterator[None]:
    """The file has other content, or is there at all, for a while."""
    before = path.read_bytes() if path.exists() else None
    path.write_bytes(data)
    try:
        yield
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_bytes(before)


def scenarios(
    tree: Tree, flags: list[str], scratch: Path, rounds: int
) -> tuple[dict[str, list[Spent]], int]:
    """Times of each scenario in each round, and the worker's peak memory in bytes.

    Every change is made to the same layer, which is built as it was before in between.
    """
    lines = sources(tree)
    inputs = digests(tree)
    spent: dict[str, list[Spent]] = {name: [] for name in SCENARIOS}
    worker = Worker(scratch)
    tiny = scratch / "tiny"
    tiny.write_bytes(b"x")
    for _ in range(2):
        worker.build("warm-up", [], [f"F\t/x\t{tiny}"], {str(tiny): _digest(b"x")})
    places = {"last": -1, "middle": len(tree.files) // 2, "first": 0}
    for number in range(rounds):
        # A new name is a layer that the worker has not seen.
        name = f"layer{number}"
        spent["cold"].append(worker.build(name, flags, lines, inputs))
        spent["nothing"].append(worker.build(name, flags, lines, inputs))
        for scenario, place in places.items():
            file = tree.root / tree.files[place]
            size = file.stat().st_size
            data = os.urandom(16).hex().encode().ljust(size, b".")[: max(size, 1)]
            with _changed(file, data):
                now = inputs | {str(file): _digest(data)}
                spent[scenario].append(worker.build(name, flags, lines, now))
            worker.build(name, flags, lines, inputs)
        inserted = f"{tree.files[len(tree.files) // 2]}.new"
        file = tree.root / inserted
        with _changed(file, b"inserted\n" * 500):
            now = inputs | {str(file): _digest(b"inserted\n" * 500)}
            more = [*lines, f"F\t/data/{inserted}\t{file}"]
            spent["inserted"].append(worker.build(name, flags, more, now))
        (scratch / name).unlink()
    peak = worker.peak()
    worker.close()
    return spent, peak
