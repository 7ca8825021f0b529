"""Programs that integration tests drive: found on PATH, or the test says what is missing."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

__all__ = ["need", "run"]

# Daemons live where Bazel's strict action environment does not look, PostgreSQL's by its version.
os.environ["PATH"] = os.pathsep.join(
    [
        *(os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"),
        *glob.glob("/usr/lib/postgresql/*/bin"),
    ]
)


def need(*names: str) -> None:
    """Skips the test when a program is missing; fails it where all have to be there.

    The root file system that `bazelw` builds has every one of them and sets
    LADING_REQUIRE_PEERS, so that nothing is skipped in CI without anyone noticing.
    """
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        message = f"not on PATH: {', '.join(missing)}"
        if os.environ.get("LADING_REQUIRE_PEERS"):
            pytest.fail(message)
        pytest.skip(message)


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    timeout: float = 240,
) -> str:
    """Runs a program that has to succeed and returns its stdout.

    `env` is added to the environment; `timeout` is in seconds.
    """
    result = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if result.returncode != 0:
        pytest.fail(
            f"{' '.join(map(str, command))} ended with {result.returncode}\n"
            f"{result.stdout}{result.stderr}"
        )
    return result.stdout
