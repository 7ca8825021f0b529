"""Writes the locks of Python packages:  bazel run //tools:requirements [-- --upgrade]

Versions already in a lock stay while they satisfy its `.in` file, unless `--upgrade` or
`--upgrade-package=NAME` asks for newer ones; all arguments go to `uv pip compile`. A lock serves
every platform and Python from a version on, and names no package index.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from lading_dev.wheel import unpack_program

__all__ = ["main"]

#: Locks without their suffix, and the oldest Python that each is for.
_LOCKS = {"requirements": "3.11", "tests/integration/remote/buildgrid": "3.13"}


def main() -> int:
    """Compiles the locks in the workspace; returns uv's exit status, the first that is not 0."""
    workspace = os.environ.get("BUILD_WORKSPACE_DIRECTORY")
    if workspace is None:
        print("requirements: run me with `bazel run //tools:requirements`", file=sys.stderr)
        return 2
    wheel, *arguments = sys.argv[1:]
    with tempfile.TemporaryDirectory() as scratch:
        uv = unpack_program(Path(wheel), "uv", Path(scratch))
        for name, python in _LOCKS.items():
            command = [str(uv), "pip", "compile", "--universal", f"--python-version={python}"]
            command += ["--generate-hashes", "--no-emit-index-url", "--no-annotate"]
            command += ["--custom-compile-command=bazel run //tools:requirements", "--quiet"]
            command += [f"--output-file={name}.lock", f"{name}.in", *arguments]
            status = subprocess.run(command, cwd=workspace, check=False).returncode
            if status != 0:
                return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
