"""Writes requirements.lock from requirements.in:  bazel run //tools:requirements [-- --upgrade]

Versions already in the lock stay while they satisfy requirements.in, unless `--upgrade` or
`--upgrade-package=NAME` asks for newer ones; all arguments go to `uv pip compile`. The lock serves
every platform and Python from 3.11 on, and names no package index.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from lading_dev.wheel import unpack_program

__all__ = ["main"]


def main() -> int:
    """Compiles the lock in the workspace; returns uv's exit status."""
    workspace = os.environ.get("BUILD_WORKSPACE_DIRECTORY")
    if workspace is None:
        print("requirements: run me with `bazel run //tools:requirements`", file=sys.stderr)
        return 2
    wheel, *arguments = sys.argv[1:]
    with tempfile.TemporaryDirectory() as scratch:
        uv = unpack_program(Path(wheel), "uv", Path(scratch))
        command = [str(uv), "pip", "compile", "--universal", "--python-version=3.11"]
        command += ["--generate-hashes", "--no-emit-index-url", "--no-annotate"]
        command += ["--custom-compile-command=bazel run //tools:requirements"]
        command += ["--output-file=requirements.lock", "--quiet", "requirements.in", *arguments]
        return subprocess.run(command, cwd=workspace, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
