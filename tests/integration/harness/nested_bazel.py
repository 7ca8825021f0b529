"""A second Bazel on the same workspace, with an output base of its own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.integration.harness import programs
from tests.integration.harness.launchers import runfile

__all__ = ["NestedBazel", "nested_bazel", "shop_module", "workspace"]

_MODULE = """
module(name = "shop")
bazel_dep(name = "lading", version = "0.1.0")
local_path_override(module_name = "lading", path = "{lading}")
deb = use_extension("@lading//rules:extensions.bzl", "deb")
deb.lock(name = "debian", lock = "//:lock.json")
use_repo(deb, "debian")
"""


# Commands that make or remove the links bazel-bin, bazel-out, ... in their workspace.
_LINKING = {"build", "clean", "run", "test"}


@dataclass(frozen=True)
class NestedBazel:
    """Runs commands in `directory` with `output_base`, under a changed environment."""

    directory: Path
    output_base: Path
    env: Mapping[str, str] = field(default_factory=dict)
    prefix: Sequence[str] = ()
    program: str = "bazel"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs Bazel and returns what it did, whatever its exit code."""
        process = self.start(*arguments)
        try:
            stdout, stderr = process.communicate()
        except BaseException:
            process.kill()
            process.wait()
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts Bazel with its outputs in pipes."""
        # Bazel believes itself inside a test, and hides the user's home, when it sees TEST_*.
        outer = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TEST_", "RUNFILES_", "BAZEL_", "BUILD_", "PYTHON"))
        }
        outer["HOME"] = pwd.getpwuid(os.getuid()).pw_dir
        verb, *rest = arguments
        # In the source tree the links belong to the Bazel that runs the tests: neither replaced nor
        # removed, which even `clean` would do.
        links = ["--symlink_prefix=/"] if self._in_sources() and verb in _LINKING else []
        startup = [*_caches(), f"--output_base={self.output_base}"]
        return subprocess.Popen(
            [*self.prefix, self.program, *startup, verb, *links, *rest],
            cwd=self.directory,
            env={**outer, **self.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _in_sources(self) -> bool:
        return self.directory == workspace()

    def build(self, target: str, *options: str) -> list[Path]:
        """Builds `target` and returns its default outputs."""
        result = self.run("build", *options, target)
        if result.returncode != 0:
            pytest.fail(f"bazel build {target} ended with {result.returncode}\n{result.stderr}")
        listed = self.run("cquery", *options, "--output=files", target)
        execution_root = self.run("info", *options, "execution_root").stdout.strip()
        return [Path(execution_root, line) for line in listed.stdout.splitlines()]


def _caches() -> list[str]:
    """Options for the caches of the Bazel that runs the test, whatever HOME that one was given."""
    for directory in Path(os.environ["TEST_SRCDIR"]).parents:
        if directory.name == "execroot":
            root = directory.parent.parent
            return [f"--output_user_root={root}"] if (root / "cache/repos").is_dir() else []
    return []


def workspace() -> Path:
    """The source tree that the test was built from."""
    return runfile("MODULE.bazel").resolve().parent


@contextlib.contextmanager
def nested_bazel(
    output_base: Path,
    *,
    directory: Path | None = None,
    env: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
) -> Iterator[NestedBazel]:
    """Yields a Bazel for `directory`, by default this workspace.

    Its server and its outputs are gone afterwards.
    """
    programs.need("bazel")
    bazel = NestedBazel(directory or workspace(), output_base, env or {}, prefix)
    try:
        yield bazel
    finally:
        bazel.run("shutdown")
        subprocess.run(["chmod", "-R", "u+w", output_base], check=False, capture_output=True)
        shutil.rmtree(output_base, ignore_errors=True)


def shop_module() -> str:
    """The MODULE.bazel of a user whose Debian packages `//:lock.json` names."""
    return _MODULE.format(lading=workspace())
