"""How a command ends: its code, and all that it printed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_PROGRAM = """
import sys
from lading.commands import entry
from lading.errors import CorruptError
def main(argv):
    print("printed")
    {body}
    return 0
entry.run(main)
"""


def _environment() -> dict[str, str]:
    """With output that is buffered, as it is for users."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**kept, "PYTHONPATH": os.pathsep.join(sys.path)}


def _run(body: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(body=body)],
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("body", "code", "error"),
    [
        ("pass", 0, ""),
        ("return 9", 9, ""),
        ("raise CorruptError('what', fix='fix')", 5, "lading: what\n  fix\n"),
        ("raise KeyboardInterrupt", 130, ""),
        ("raise BrokenPipeError", 141, ""),
    ],
)
def test_command_ends_with_its_code_after_all_it_printed(body: str, code: int, error: str) -> None:
    result = _run(body)
    assert (result.returncode, result.stderr) == (code, error)
    if code != 141:
        assert result.stdout == "printed\n"


def test_defect_shows_where_it_is() -> None:
    result = _run("raise ValueError('defect')")
    assert result.returncode == 1
    assert "Traceback" in result.stderr


def test_help_ends_well() -> None:
    command = [sys.executable, "-m", "lading.commands.multi_deploy", "--help"]
    result = subprocess.run(
        command, env=_environment(), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0
    assert "--registry" in result.stdout
    assert result.stderr == ""
