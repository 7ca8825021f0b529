"""`//...:name` in a real Bazel, by way of tools/bazel."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.harness.nested_bazel import NestedBazel, nested_bazel, workspace

_BUILD = """
filegroup(name = "image")
filegroup(name = "other")
filegroup(name = "by_hand", tags = ["manual"])
"""


@pytest.fixture(scope="module")
def bazel() -> Iterator[NestedBazel]:
    """A workspace of four packages, one with a space and one below another.

    Its path is not ASCII where bazelw's root is around us, whose Bazel takes that.
    """
    scratch = Path(tempfile.mkdtemp(prefix="lading-", dir=os.environ["TEST_TMPDIR"]))
    directory = scratch / ("wörkspace" if Path("/usr/share/lading").exists() else "workspace")
    for package in ("", "a", "a/b", "c d"):
        (directory / package).mkdir(parents=True, exist_ok=True)
        (directory / package / "BUILD.bazel").write_text(_BUILD)
    (directory / "MODULE.bazel").write_text("")
    real = shutil.which("bazel")
    assert real
    env = {"BAZEL_REAL": real}
    with nested_bazel(scratch / "output", directory=directory, env=env) as plain:
        yield dataclasses.replace(plain, program=str(workspace() / "tools/bazel"))


@pytest.mark.parametrize(
    ("pattern", "labels"),
    [
        ("//...:image", ["//:image", "//a/b:image", "//a:image", "//c d:image"]),
        ("//a/...:image", ["//a/b:image", "//a:image"]),
        ("//a/b/...:image", ["//a/b:image"]),
        ("//...:by_hand", None),
        ("//...:nothing", None),
        ("//...:im", None),
    ],
)
def test_a_name_below_a_package(bazel: NestedBazel, pattern: str, labels: list[str] | None) -> None:
    done = bazel.run("build", "--nobuild", "--noshow_progress", pattern)
    if labels is None:
        assert done.returncode == 1
        assert f"no target matches '{pattern}'" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        counted = f"{len(labels)} targets" if len(labels) > 1 else f"target {labels[0]}"
        assert f"Analyzed {counted}" in done.stderr


def test_a_query_finds_the_labels(bazel: NestedBazel) -> None:
    done = bazel.run("query", "--noshow_progress", "//...:image")
    assert done.stdout.splitlines() == ["//:image", "//a:image", "//a/b:image", "//c d:image"]


def test_a_minus_takes_away(bazel: NestedBazel) -> None:
    done = bazel.run("build", "--nobuild", "--", "//...:all", "-//a/...:image")
    assert done.returncode == 0, done.stderr
    assert "Analyzed 6 targets" in done.stderr
