"""The workspace that the linters read: the source tree, not Bazel's copy of parts of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

__all__ = ["assert_clean", "files", "root"]


def root() -> Path:
    """The directory that MODULE.bazel really lies in."""
    return Path("MODULE.bazel").resolve().parent


def files(*suffixes: str) -> Iterator[Path]:
    """Files of the workspace whose names end in one of `suffixes`, sorted in each directory."""
    for directory, directories, names in os.walk(root()):
        directories[:] = sorted(
            name for name in directories if not name.startswith((".", "bazel-", "__pycache__"))
        )
        for name in sorted(names):
            # Bazel's links bazel-bin, ... are listed here while they point to nothing.
            if name.endswith(suffixes) and not name.startswith("bazel-"):
                yield Path(directory, name)


def assert_clean(command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> None:
    """Fails with what `command` prints, unless it ends well."""
    done = subprocess.run(command, cwd=root(), env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
