"""A line of a repository changes: how long until its development image is there again.

Writes a workspace of N files of 4 KiB and a dev_image of them, builds it, and changes a line of
one file again and again. Prints seconds, and what Bazel ran for the last change:

    PYTHONPATH=. python3 tests/bench/dev_image.py --files=5000 --directory=/var/tmp/dev_image

Bazel is $BAZEL, else the one that bazelw sets up.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
from pathlib import Path
from random import Random

from tests.bench.monorepo import Bazel, module

_FILES_OF_A_DIRECTORY = 50
_FILE_BYTES = 4096

_BUILD = """\
load("@lading//rules:dev_image.bzl", "dev_image")

dev_image(
    name = "dev",
    srcs = glob(["src/**"]),
    template = "{template}",
)
"""


def write(directory: Path, files: int, template: str) -> None:
    """Writes the workspace; the same arguments give the same bytes."""
    random = Random(1)
    directory.mkdir(parents=True)
    (directory / "MODULE.bazel").write_text(module())
    (directory / "BUILD.bazel").write_text(_BUILD.format(template=template))
    for number in range(files):
        folder = directory / f"src/part{number // _FILES_OF_A_DIRECTORY}"
        folder.mkdir(parents=True, exist_ok=True)
        words = [random.randbytes(3).hex() for _ in range(40)]
        text = " ".join(random.choices(words, k=_FILE_BYTES // 7))
        (folder / f"file{number}").write_text(text)


def main() -> None:
    """Parses the command line and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--template", default="python")
    parser.add_argument("--directory", type=Path, required=True, help="must not exist")
    arguments = parser.parse_args()
    directory = arguments.directory
    write(directory, arguments.files, arguments.template)
    bazel = Bazel(directory)
    cache = f"--disk_cache={directory.parent / 'cache'}"
    try:
        bazel.build(cache)
        unchanged = [bazel.build(cache).seconds for _ in range(arguments.rounds)]
        changed = []
        for number in range(arguments.rounds):
            # First, middle and last in the layer cost the same, or should.
            place = number * (arguments.files - 1) // max(arguments.rounds - 1, 1)
            path = directory / f"src/part{place // _FILES_OF_A_DIRECTORY}/file{place}"
            path.write_text(path.read_text() + "\nanother line\n")
            measured = bazel.build(cache)
            changed.append(measured.seconds)
        print(f"{arguments.files} files, template {arguments.template}")
        print(f"unchanged  {statistics.median(unchanged):.2f} s (median of {len(unchanged)})")
        print(
            f"one line   {statistics.median(changed):.2f} s (median), {max(changed):.2f} s (most)"
        )
        print(f"actions    {dict(measured.actions)}")
    finally:
        bazel.run("shutdown")
        subprocess.run(["chmod", "-R", "u+w", bazel.output_base], check=False)
        for path in (bazel.output_base, directory, directory.parent / "cache"):
            shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    main()
