"""The root is built once, whole or not at all.

The recipe here is a stand-in that takes a moment and writes a file; the real one downloads 2 GB of
Debian, and CI runs it whenever it runs bazelw on a new machine. bwrap is a stand-in as well, that
prints what it is asked to run; test_enter.py has the real one.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.unit.bazelw.script import Checkout, program

_RECIPE = """\
echo "I: running apt-get update..." >&2
echo built >>"$XDG_CACHE_HOME/builds"
mkdir -p "$1/usr/bin" "$1/etc"
echo half >"$1/usr/half"
while [ -e "$XDG_CACHE_HOME/hold" ]; do sleep 0.05; done
rm "$1/usr/half"
"""


@pytest.fixture
def bare(checkout: Checkout) -> Checkout:
    """A machine without Bazel, with the programs that build a root."""
    checkout.cache.mkdir()
    program(checkout.root / "tools/bazelw/root/build.sh", _RECIPE)
    program(checkout.bin / "mmdebstrap", "exit 1")
    program(checkout.bin / "bwrap", 'for last; do :; done; echo "$last"; exit 5')
    program(checkout.bin / "id", "echo 0")
    return checkout


def _recipe(checkout: Checkout, text: str) -> None:
    program(checkout.root / "tools/bazelw/root/build.sh", text)


def _builds(checkout: Checkout) -> int:
    return len((checkout.cache / "builds").read_text().splitlines())


def _left(checkout: Checkout) -> list[str]:
    return sorted(path.name.partition("-")[0] for path in (checkout.cache / "lading").iterdir())


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_first_call_builds_and_the_next_does_not(bare: Checkout) -> None:
    first = bare.run("info")
    assert (first.returncode, first.stdout) == (5, "info\n")
    assert "setting up Bazel once" in first.stderr
    assert "running apt-get update" in first.stderr  # progress, a line each without a terminal
    second = bare.run("version")
    assert (second.returncode, second.stdout, second.stderr) == (5, "version\n", "")
    assert _builds(bare) == 1
    assert _left(bare) == ["build", "lock", "root"]


def test_another_recipe_is_another_root(bare: Checkout) -> None:
    bare.run("info")
    _recipe(bare, _RECIPE + "# new")
    bare.run("info")
    assert _builds(bare) == 2
    assert _left(bare).count("root") == 2


def test_a_root_of_another_recipe_goes_when_unused_for_30_days(bare: Checkout) -> None:
    bare.run("info")
    [old] = (bare.cache / "lading").glob("root-*")
    os.utime(old, (0, 0))
    _recipe(bare, _RECIPE + "# new")
    done = bare.run("info")
    assert not old.exists()
    assert f"removing {old}, unused for 30 days" in done.stderr


def test_of_two_at_once_one_waits(bare: Checkout) -> None:
    hold = bare.cache / "hold"
    hold.touch()
    first = bare.start("info")
    _wait_for(bare.cache / "builds")
    second = bare.start("info")
    assert second.stderr is not None
    assert "waiting for it" in second.stderr.readline()
    hold.unlink()
    for process in (first, second):
        out, _ = process.communicate(timeout=30)
        assert (process.returncode, out) == (5, "info\n")
    assert _builds(bare) == 1


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)
def test_an_interruption_leaves_nothing(bare: Checkout, number: int, code: int) -> None:
    hold = bare.cache / "hold"
    hold.touch()
    process = bare.start("info")
    _wait_for(bare.cache / "builds")
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert "interrupted; nothing is left behind" in err
    assert "root" not in _left(bare)
    hold.unlink()
    assert bare.run("info").returncode == 5


def test_what_a_killed_builder_left_is_removed(bare: Checkout) -> None:
    hold = bare.cache / "hold"
    hold.touch()
    process = bare.start("info")
    _wait_for(bare.cache / "builds")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    assert list((bare.cache / "lading").glob("*.building"))
    hold.unlink()
    done = bare.run("info")
    assert done.returncode == 5
    assert "which an interrupted run left" in done.stderr
    [root] = (bare.cache / "lading").glob("root-*")
    assert not (root / "usr/half").exists()


@pytest.mark.parametrize(
    ("log", "says"),
    [
        ("cp: error writing 'x': No space left on device", "no disk space left in"),
        ("E: Could not connect to mirror.example:80", "the Debian mirror cannot be reached"),
        ("E: Temporary failure resolving 'mirror.example'", "the Debian mirror cannot be reached"),
        ("E: Unable to locate package bazel-bootstrap", "E: Unable to locate package"),
    ],
)
def test_a_failed_set_up_says_why_and_leaves_nothing(bare: Checkout, log: str, says: str) -> None:
    _recipe(bare, f'echo "{log}" >&2\nmkdir "$1/usr"\nexit 1')
    done = bare.run("info")
    assert done.returncode == 1
    assert says in done.stderr
    assert "Run the same command again to retry." in done.stderr
    assert "root" not in _left(bare)


def test_without_apt_it_says_what_to_install(bare: Checkout) -> None:
    (bare.bin / "mmdebstrap").unlink()
    done = bare.run("info")
    assert done.returncode == 1
    assert "this is no Debian or Ubuntu" in done.stderr
    assert "Install Bazelisk" in done.stderr


def test_without_root_it_says_what_to_install(bare: Checkout) -> None:
    (bare.bin / "mmdebstrap").unlink()
    (bare.bin / "bwrap").unlink()
    program(bare.bin / "apt-get", "exit 1")
    program(bare.bin / "id", "echo 1000")
    done = bare.run("info")
    assert done.returncode == 1
    assert "Run: sudo apt-get install mmdebstrap bubblewrap uidmap " in done.stderr


def test_an_apt_that_fails_is_explained(bare: Checkout) -> None:
    (bare.bin / "mmdebstrap").unlink()
    program(bare.bin / "apt-get", 'echo "E: Unable to locate package mmdebstrap" >&2; exit 100')
    done = bare.run("info", TMPDIR=str(bare.cache))
    assert done.returncode == 1
    assert "apt could not install mmdebstrap: E: Unable to locate package mmdebstrap" in done.stderr


def test_without_a_home_it_says_so(bare: Checkout) -> None:
    done = bare.run("info", HOME="", XDG_CACHE_HOME="")
    assert done.returncode == 1
    assert "neither HOME nor XDG_CACHE_HOME is set" in done.stderr
