"""Shell scripts have no fault that shellcheck knows, and are POSIX."""

from __future__ import annotations

import os
from pathlib import Path

from lading_dev.wheel import unpack_program
from tests.lint.workspace import assert_clean, files


def _is_shell(path: Path) -> bool:
    if path.suffix in {".py", ".bzl", ".bazel", ".md", ".json", ".lock"}:
        return False
    with path.open("rb") as file:
        return path.suffix == ".sh" or file.read(10) == b"#!/bin/sh\n"


def test_shellcheck_finds_nothing(tmp_path: Path) -> None:
    shellcheck = unpack_program(Path(os.environ["SHELLCHECK_WHEEL"]), "shellcheck", tmp_path)
    scripts = [path for path in files("") if _is_shell(path)]
    assert {"bazelw", "bazel", "enter.sh"} <= {path.name for path in scripts}
    assert_clean([shellcheck, "--external-sources", *scripts])
