"""Which Bazel bazelw runs. The Bazels here are scripts that say a version and their arguments."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.unit.bazelw.script import Checkout, program


def _bazel(path: Path, version: str) -> Path:
    says = f'[ "$1" = --version ] && echo "bazel {version}" && exit'
    return program(path, f'{says}\necho "{path.name} {version}"\nprintf "<%s>\\n" "$@"\nexit 37')


@pytest.mark.parametrize("version", ["7.4.0", "7.7.1", "8.0.0", "9.0.0rc1", "10.1.0"])
def test_a_bazel_on_path_is_used_from_version_7_4_on(checkout: Checkout, version: str) -> None:
    _bazel(checkout.bin / "bazel", version)
    done = checkout.run("build", "//app:image")
    assert done.stdout.splitlines() == [f"bazel {version}", "<build>", "<//app:image>"]
    assert done.returncode == 37  # exit codes pass


def test_bazelisk_comes_before_bazel(checkout: Checkout) -> None:
    _bazel(checkout.bin / "bazel", "8.0.0")
    _bazel(checkout.bin / "bazelisk", "7.7.1")
    assert checkout.run("info").stdout.startswith("bazelisk 7.7.1\n")


def test_the_variable_comes_before_path(checkout: Checkout, tmp_path: Path) -> None:
    _bazel(checkout.bin / "bazel", "8.0.0")
    mine = _bazel(tmp_path / "my bazels" / "mine", "7.7.1")
    assert checkout.run("info", BAZEL=str(mine)).stdout.startswith("mine 7.7.1\n")


@pytest.mark.parametrize("version", ["6.5.0", "7.3.2", "no number", ""])
def test_a_variable_with_an_old_bazel_is_an_error(
    checkout: Checkout, tmp_path: Path, version: str
) -> None:
    old = _bazel(tmp_path / "old", version)
    done = checkout.run("info", BAZEL=str(old))
    assert done.returncode == 1
    assert done.stderr == f"bazelw: BAZEL={old} is no working Bazel of version 7.4 or newer\n"


def test_an_old_bazel_on_path_is_passed_over_and_said(checkout: Checkout) -> None:
    _bazel(checkout.bin / "bazelisk", "6.5.0")
    _bazel(checkout.bin / "bazel", "7.5.0")
    done = checkout.run("info")
    assert done.stdout.startswith("bazel 7.5.0\n")
    assert f"{checkout.bin}/bazelisk is not used" in done.stderr


def test_a_broken_bazel_on_path_is_passed_over(checkout: Checkout) -> None:
    program(checkout.bin / "bazelisk", "exit 1")
    _bazel(checkout.bin / "bazel", "7.5.0")
    assert checkout.run("info").stdout.startswith("bazel 7.5.0\n")


def test_arguments_pass_untouched(checkout: Checkout) -> None:
    _bazel(checkout.bin / "bazel", "7.7.1")
    odd = ["run", "//a:b", "--", "two words", "", "*", "a'b\"c", "$HOME", "--flag=x y", "//...:all"]
    assert checkout.run(*odd).stdout.splitlines()[1:] == [f"<{word}>" for word in odd]


def test_works_from_a_directory_below_and_through_a_link(
    checkout: Checkout, tmp_path: Path
) -> None:
    _bazel(checkout.bin / "bazel", "7.7.1")
    (checkout.root / "app/src").mkdir(parents=True)
    assert checkout.run("info", cwd="app/src").returncode == 37
    link = tmp_path / "somewhere else"
    link.symlink_to("check out/bazelw")
    linked = subprocess.run([link, "info"], env=checkout.environment(), cwd="/", check=False)
    assert linked.returncode == 37
