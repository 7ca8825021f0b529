"""What a program inside the root sees and how it ends: the real bwrap, over this machine's /usr."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    not shutil.which("bwrap")
    or subprocess.run(["bwrap", "--dev-bind", "/", "/", "true"], check=False).returncode != 0,
    reason="bwrap does not run here",
)


_SCRIPT = Path("tools/bazelw/enter.sh").resolve()


@pytest.fixture
def enter(tmp_path: Path) -> list[str]:
    """The start of a command line that runs the rest inside a root."""
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "usr").symlink_to("/usr")
    for path in Path("/").iterdir():
        if path.name.startswith(("bin", "lib", "sbin")) and path.is_symlink():
            (root / path.name).symlink_to(f"usr/{path.name}")
    return [str(_SCRIPT), str(root)]


def _start(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_exit_codes_pass(enter: list[str]) -> None:
    assert subprocess.run([*enter, "/bin/sh", "-c", "exit 37"], check=False).returncode == 37


def test_arguments_input_and_output_pass(enter: list[str]) -> None:
    done = subprocess.run(
        [*enter, "/bin/sh", "-c", 'cat; printf "<%s>" "$@"', "sh", "a b", "", "*", "$HOME"],
        input="in ",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "in <a b><><*><$HOME>"


def test_the_working_directory_is_the_same_and_may_have_a_space(
    enter: list[str], tmp_path: Path
) -> None:
    here = tmp_path / "a b"
    here.mkdir()
    done = subprocess.run(
        [*enter, "/bin/pwd"],
        cwd=here,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{here}\n"


def test_files_outside_the_root_are_the_hosts_own(enter: list[str], tmp_path: Path) -> None:
    subprocess.run([*enter, "/bin/sh", "-c", 'echo x >"$1"', "sh", str(tmp_path / "f")], check=True)
    assert (tmp_path / "f").read_text() == "x\n"


def test_the_root_is_read_only(enter: list[str]) -> None:
    done = subprocess.run(
        [*enter, "/bin/sh", "-c", "echo x >/usr/lading-test"], capture_output=True, check=False
    )
    assert done.returncode != 0
    assert b"Read-only" in done.stderr


def test_a_directory_beside_the_hosts_own_cannot_be_made(enter: list[str]) -> None:
    """It would be gone with the program, and what was saved in it."""
    done = subprocess.run([*enter, "/bin/mkdir", "/lading-test"], capture_output=True, check=False)
    assert done.returncode != 0
    assert b"Read-only" in done.stderr


def test_the_hosts_python_does_not_leak_in(enter: list[str]) -> None:
    environment = {**os.environ, "PYTHONPATH": "/x", "LD_PRELOAD": "", "BAZEL": "x", "KEEP": "y"}
    done = subprocess.run(
        [*enter, "/usr/bin/env"], env=environment, capture_output=True, text=True, check=True
    )
    inside = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert inside["KEEP"] == "y"
    assert inside["PATH"] == "/usr/bin:/bin:/usr/sbin:/sbin"
    assert not {"PYTHONPATH", "LD_PRELOAD", "BAZEL"} & inside.keys()


@pytest.mark.parametrize("name", ["TERM", "HUP", "INT", "QUIT", "USR1", "USR2"])
def test_signals_reach_the_program(enter: list[str], name: str) -> None:
    script = f"trap 'echo got; exit 9' {name}; echo ready; while :; do sleep 0.05; done"
    process = _start([*enter, "/bin/sh", "-c", script])
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(getattr(signal, f"SIG{name}"))
    out, _ = process.communicate(timeout=30)
    assert (out, process.returncode) == ("got\n", 9)


def test_the_program_dies_with_its_caller(enter: list[str]) -> None:
    process = _start([*enter, "/bin/sh", "-c", "echo ready; exec sleep 1000"])
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.kill()
    assert process.stdout.read() == ""  # ends when nobody holds the pipe any more
    process.wait()
