"""Runs `bazel run` targets from within a test, by their place in the runfiles."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.integration.harness import programs

__all__ = ["launch", "runfile"]


def runfile(path: str) -> Path:
    """A data dependency of the test, by its path in the workspace."""
    return Path(os.environ["TEST_SRCDIR"]) / os.environ["TEST_WORKSPACE"] / path


def launch(target: str, *arguments: str | Path, env: Mapping[str, str] | None = None) -> Any:
    """Runs a push or load target with `--json` and returns what it prints, parsed."""
    return json.loads(programs.run([runfile(target), "--json", *arguments], env=env))
