"""How a command ends: its code, and all that it printed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lading.commands import entry

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


def _run(body: str, redirections: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            "sh",
            "-c",
            f'exec "$0" -c "$1" {redirections}',
            sys.executable,
            _PROGRAM.format(body=body),
        ],
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


@pytest.mark.parametrize("redirections", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("body", "code"), [("pass", 0), ("raise CorruptError('what')", 5)])
def test_streams_that_are_closed_change_nothing_else(
    redirections: str, body: str, code: int
) -> None:
    body = f"assert open('/dev/null').fileno() > 2; sys.stdin.read(); {body}"
    result = _run(body, redirections)
    assert result.returncode == code
    assert result.stdout == ("" if " >" in f" {redirections}" else "printed\n")
    assert result.stderr == ("" if "2>" in redirections or not code else "lading: what\n")


@pytest.mark.parametrize("much", [1, 100_000])
def test_output_on_a_full_disk_is_a_clear_error(much: int) -> None:
    result = _run(f"print('x' * {much})", ">/dev/full")
    what = "lading: the output cannot be written: No space left on device\n"
    fix = "  free some space and run it again\n"
    assert (result.returncode, result.stderr) == (11, what + fix)


def test_errors_on_a_full_disk_keep_their_code() -> None:
    assert _run("raise CorruptError('what')", "2>/dev/full").returncode == 5


@pytest.mark.parametrize("name", ["/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.parametrize("how", ["pipe", "file"])
def test_file_may_be_a_name_of_one_that_is_open(tmp_path: Path, name: str, how: str) -> None:
    """Replacing /dev/stdout succeeds for root, and takes it from every other program."""
    out = tmp_path / "out"
    body = f"sys.stdout.flush(); p = entry.Path({name!r}); entry.check_file(p)"
    result = _run(f"{body}; entry.write_file(p, 'text')", f">>{out}" if how == "file" else "")
    assert (result.returncode, result.stderr) == (0, "")
    assert (out.read_text() if how == "file" else result.stdout) == "printed\ntext"


def test_file_may_be_a_device_or_a_named_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        device = Path("/dev/null")
    for path in (pipe, device):
        entry.check_file(path)
        entry.write_file(path, "text")
    assert os.read(reader, 100) == b"text"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert stat.S_ISCHR(device.stat().st_mode)


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
