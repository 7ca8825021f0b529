"""What `bazel run` starts, started in every way that users start it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.harness.launchers import runfile

_LAUNCHER = "tests/integration/push/one.push"
_TARGET = "//tests/integration/push:one.push"


@pytest.fixture(name="built")
def _built(tmp_path: Path) -> Path:
    """The launcher as it lies in bazel-bin, with its runfiles beside it."""
    launcher = tmp_path / "a path" / "with $HOME and 'quotes'" / "one.push"
    launcher.parent.mkdir(parents=True)
    shutil.copy(runfile(_LAUNCHER), launcher)
    Path(f"{launcher}.runfiles").symlink_to(os.environ["TEST_SRCDIR"])
    return launcher


def _run(
    command: str | Path, *arguments: str, directory: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Nothing but `variables` is in the environment: no PATH, no RUNFILES_DIR."""
    return subprocess.run(
        [str(command), f"--store={directory}", "--dry_run", *arguments],
        cwd=directory,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )


def _label(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    label: str = json.loads(done.stdout)["label"]
    return label


def test_beside_its_runfiles(built: Path, tmp_path: Path) -> None:
    for command in (str(built), os.path.relpath(built, tmp_path)):
        done = _run(command, "--json", directory=tmp_path)
        assert _label(done) == _TARGET


def test_inside_the_runfiles_of_another_program(tmp_path: Path) -> None:
    assert _label(_run(runfile(_LAUNCHER), "--json", directory=tmp_path))


def test_by_the_directory_of_runfiles_that_the_caller_knows(built: Path, tmp_path: Path) -> None:
    runfiles = Path(f"{built}.runfiles").rename(tmp_path / "elsewhere")
    assert _label(_run(built, "--json", directory=tmp_path, RUNFILES_DIR=str(runfiles)))


def test_where_links_lead(built: Path, tmp_path: Path) -> None:
    (tmp_path / "first").symlink_to(os.path.relpath(built, tmp_path))
    (tmp_path / "second").symlink_to(tmp_path / "first")
    for command in (tmp_path / "second", "./second"):
        assert _label(_run(command, "--json", directory=tmp_path)) == _TARGET


def test_without_runfiles_it_says_what_to_do(built: Path, tmp_path: Path) -> None:
    Path(f"{built}.runfiles").unlink()
    done = _run(built, directory=tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        f"lading: no runfiles beside {built}: run it with `bazel run`, or build it first\n"
    )


def test_words_reach_the_command_as_they_are(built: Path, tmp_path: Path) -> None:
    done = _run(built, "--tag=a b", directory=tmp_path)
    assert done.returncode == 3
    assert done.stderr.startswith("lading: 'a b' is not a tag\n")


def test_modules_of_the_user_are_not_imported(built: Path, tmp_path: Path) -> None:
    """Neither from PYTHONPATH, nor from the directory in which it is run, nor by a startup file."""
    for name in ("json.py", "absl.py", "sitecustomize.py", "usercustomize.py"):
        (tmp_path / name).write_text("raise SystemExit('a module of the user')\n")
    assert _label(_run(built, "--json", directory=tmp_path, PYTHONPATH=str(tmp_path)))


def test_ctrl_c_while_modules_are_imported_is_no_traceback(built: Path, tmp_path: Path) -> None:
    """As if it came when the command's first module was imported."""
    runfiles = Path(f"{built}.runfiles")
    real = runfiles.readlink()
    runfiles.unlink()
    program = "_main/tools/lading/commands/push.main.py"
    package = runfiles / program.replace(".main.py", ".lib") / "lading"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise KeyboardInterrupt\n")
    (runfiles / program).symlink_to(real / program)
    for path in real.iterdir():
        if not (place := runfiles / path.name).exists():
            place.symlink_to(path)
    done = _run(built, directory=tmp_path)
    assert (done.returncode, done.stderr) == (130, "")
