"""Starlark is formatted as buildifier does it, and has no fault that buildifier knows."""

from __future__ import annotations

import os
from pathlib import Path

from tests.lint.workspace import assert_clean, files


def test_buildifier_finds_nothing() -> None:
    buildifier = Path(os.environ["BUILDIFIER"]).resolve()
    sources = list(files(".bzl", "BUILD.bazel", "MODULE.bazel"))
    assert len(sources) > 20
    assert_clean([buildifier, "--mode=check", "--lint=warn", *sources])
