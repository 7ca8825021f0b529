"""Python is formatted, free of what ruff finds, and typed: `ruff format`, `ruff check`, `mypy`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from lading_dev.wheel import unpack_program
from tests.lint.workspace import assert_clean


@pytest.fixture(scope="module")
def ruff(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack_program(Path(os.environ["RUFF_WHEEL"]), "ruff", tmp_path_factory.mktemp("ruff"))


def test_ruff_finds_nothing(ruff: Path) -> None:
    assert_clean([ruff, "check", "--no-cache", "--quiet", "."])


def test_files_are_formatted(ruff: Path) -> None:
    assert_clean([ruff, "format", "--no-cache", "--check", "--quiet", "--diff", "."])


def test_types_are_right() -> None:
    # mypy reads the types of packages from the module search path of its interpreter.
    packages = [entry for entry in sys.path if entry.endswith("site-packages")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(packages)}
    assert_clean([sys.executable, "-m", "mypy", "--no-error-summary"], environment)
