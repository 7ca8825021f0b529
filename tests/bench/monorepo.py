"""A monorepo of images: what a thousand of them cost.

Writes a workspace of N packages, each an image of three layers: one of a base that all share, one
of dependencies that all share, and one of 20 files of its own. Builds it and prints what it took,
as lines for docs/performance.md:

    python3 tests/bench/monorepo.py --images=1000 --directory=/var/tmp/monorepo

Bazel is $BAZEL, else the one that bazelw sets up.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

_LADING = Path(__file__).resolve().parents[2]
_FILES = 20
_FILE_BYTES = 4096
_SHARED_BYTES = 4 << 20

_MODULE = """\
module(name = "bench")

bazel_dep(name = "lading", version = "0.1.0")
local_path_override(
    module_name = "lading",
    path = "{lading}",
)
"""

_SHARED = """\
load("@lading//rules:image.bzl", "image_manifest")
load("@lading//rules:layer.bzl", "image_layer")

package(default_visibility = ["//visibility:public"])

image_layer(name = "base_layer", srcs = {"/usr/lib/base": "base.bin"})

image_manifest(name = "base", layers = [":base_layer"], env = {"PATH": "/usr/bin"})

image_layer(name = "dependencies", srcs = {"/usr/lib/dependencies": "dependencies.bin"})
"""

_PACKAGE = """\
load("@lading//rules:image.bzl", "image_manifest")
load("@lading//rules:layer.bzl", "image_layer")

filegroup(name = "files", srcs = glob(["src/**"]))

image_layer(name = "layer", srcs = {"/app": ":files"})

image_manifest(
    name = "image",
    base = "//shared:base",
    entrypoint = ["/app/src/file0"],
    labels = {"package": package_name()},
    layers = ["//shared:dependencies", ":layer"],
)
"""


@dataclass(frozen=True)
class Measured:
    """One build: seconds it took, and what Bazel says of its actions and memory."""

    seconds: float
    actions: Mapping[str, int]
    heap: int


def module() -> str:
    """The MODULE.bazel of a workspace that takes lading from here."""
    return _MODULE.format(lading=_LADING)


def write(directory: Path, images: int) -> None:
    """Writes the workspace; the same arguments give the same bytes."""
    random = Random(1)
    directory.mkdir(parents=True)
    (directory / "MODULE.bazel").write_text(module())
    (directory / "BUILD.bazel").touch()
    (directory / "shared").mkdir()
    (directory / "shared/BUILD.bazel").write_text(_SHARED)
    for name in ("base", "dependencies"):
        (directory / f"shared/{name}.bin").write_bytes(random.randbytes(_SHARED_BYTES))
    for number in range(images):
        package = directory / f"group{number // 100}/app{number}"
        (package / "src").mkdir(parents=True)
        (package / "BUILD.bazel").write_text(_PACKAGE)
        for place in range(_FILES):
            (package / f"src/file{place}").write_bytes(_text(random))


def _text(random: Random) -> bytes:
    """Something that compresses about as well as code does."""
    words = [random.randbytes(3).hex() for _ in range(40)]
    return " ".join(random.choices(words, k=_FILE_BYTES // 7)).encode()


class Bazel:
    """Bazel in the workspace, with an output base beside it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.output_base = directory.parent / f"{directory.name}.output"
        program = os.environ.get("BAZEL") or str(_LADING / "tools/bazelw/bazel")
        self._command = [program, f"--output_base={self.output_base}"]

    def run(self, *arguments: str) -> str:
        """Runs a command that has to succeed; returns its stdout."""
        done = subprocess.run(
            [*self._command, *arguments],
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(arguments)}\n{done.stderr[-3000:]}")
        return done.stdout

    def build(self, *arguments: str) -> Measured:
        """Builds everything."""
        events = self.directory.parent / f"{self.directory.name}.events"
        start = time.monotonic()
        self.run("build", f"--build_event_json_file={events}", *arguments, "//...")
        seconds = time.monotonic() - start
        metrics = next(_metrics(events))
        actions = {
            item["mnemonic"]: int(item["actionsExecuted"])
            for item in metrics["actionSummary"].get("actionData", [])
        }
        heap = int(self.run("info", "used-heap-size-after-gc").removesuffix("MB\n"))
        return Measured(seconds, actions, heap)

    def cpu_seconds(self) -> float:
        """Seconds of CPU that the server and its workers have used since they started."""
        server = int(self.run("info", "server_pid"))
        parents, used = {}, {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                # proc_pid_stat(5): state and ppid follow the name; 14 to 17 are utime to cstime.
                fields = path.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(path.parent.name)] = int(fields[1])
            used[int(path.parent.name)] = sum(map(int, fields[11:15]))
        below = {server}
        while more := {pid for pid, parent in parents.items() if parent in below} - below:
            below |= more
        return sum(used[pid] for pid in below) / os.sysconf("SC_CLK_TCK")


def _metrics(events: Path) -> Iterator[Any]:
    for line in events.read_text().splitlines():
        event = json.loads(line)
        if "buildMetrics" in event:
            yield event["buildMetrics"]


def measure(directory: Path, images: int) -> dict[str, Any]:
    """Writes and builds a workspace of `images`; returns figures by name."""
    write(directory, images)
    bazel = Bazel(directory)
    cache = f"--disk_cache={directory.parent / 'cache'}"
    try:
        # What is not lading's to be fast at: fetching Python packages, and building the tools.
        bazel.run("build", cache, "//shared:dependencies", "//shared:base")
        analysed = bazel.build(cache, "--nobuild")
        bazel.run("shutdown")
        cold = bazel.build(cache)
        cpu = bazel.cpu_seconds()
        no_op = [bazel.build(cache).seconds for _ in range(5)]
        own = directory / "group0/app0/src/file0"
        own.write_bytes(own.read_bytes() + b" changed")
        changed = bazel.build(cache)
        return {
            "images": images,
            "analysis_seconds": analysed.seconds,
            "cold_seconds": cold.seconds,
            "cold_cpu_seconds": cpu,
            "no_op_seconds": statistics.median(no_op),
            "changed_seconds": changed.seconds,
            "cold_actions": dict(cold.actions),
            "changed_actions": dict(changed.actions),
            "heap_mb": cold.heap,
            **_disk(bazel, directory),
        }
    finally:
        bazel.run("shutdown")
        subprocess.run(["chmod", "-R", "u+w", bazel.output_base], check=False)
        shutil.rmtree(bazel.output_base, ignore_errors=True)
        shutil.rmtree(directory, ignore_errors=True)
        shutil.rmtree(directory.parent / "cache", ignore_errors=True)


def _disk(bazel: Bazel, directory: Path) -> dict[str, int]:
    """Bytes of layers as they are, of everything that was built, and of the disk cache."""
    output = Path(bazel.run("info", "bazel-bin").strip())
    unique: dict[str, int] = {}
    built = layers = 0
    for path in output.rglob("*"):
        if "external" in path.parts or path.is_symlink() or not path.is_file():
            continue
        built += path.stat().st_size
        layers += path.stat().st_size * path.name.endswith(".tar.gz")
        if path.name.endswith(".metadata.json"):
            value = json.loads(path.read_bytes())
            unique[value["digest"]] = value["size"]
    cache = sum(
        path.stat().st_size for path in (directory.parent / "cache").rglob("*") if path.is_file()
    )
    return {
        "unique_bytes": sum(unique.values()),
        "layer_bytes": layers,
        "built_bytes": built,
        "cache_bytes": cache,
    }


def main() -> None:
    """Runs the benchmark for a tenth of the images and for all, and prints the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--directory", type=Path, required=True, help="does not exist yet")
    values = parser.parse_args()
    few, many = (
        measure(values.directory / f"m{count}", count)
        for count in (max(values.images // 10, 1), values.images)
    )
    for found in (few, many):
        print(json.dumps(found, sort_keys=True))
    more = many["images"] - few["images"]
    for name in ("analysis", "cold", "cold_cpu"):
        each = (many[f"{name}_seconds"] - few[f"{name}_seconds"]) / more * 1000
        print(f"{name}: {each:.1f} ms for each further image")
    print(f"heap: {(many['heap_mb'] - few['heap_mb']) / more * 1000:.0f} KB for each further image")
    print(f"layers on disk: {many['layer_bytes'] / many['unique_bytes']:.3f} x their bytes")
    print(f"everything on disk: {many['built_bytes'] / many['unique_bytes']:.3f} x")


if __name__ == "__main__":
    main()
