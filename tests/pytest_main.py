"""Runs pytest under Bazel: the main program of every `pytest_test`.

Arguments: `--tests=PATH` for each test module, below the workspace; all others are pytest's.
Bazel's conventions for tests ("Test encyclopedia") become pytest's options.
"""

from __future__ import annotations

import os
import pathlib
import sys

import pytest


class Shard:
    """Keeps every n-th test, so that the shards of a target together run each one once."""

    def __init__(self, index: int, total: int) -> None:
        self.index = index
        self.total = total

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Deselects the tests of other shards."""
        mine = [item for position, item in enumerate(items) if position % self.total == self.index]
        chosen = {id(item) for item in mine}
        config.hook.pytest_deselected(items=[item for item in items if id(item) not in chosen])
        items[:] = mine


def _let_examples_take_their_time() -> None:
    """Switches off hypothesis' deadline of 200 ms, which a busy machine exceeds."""
    try:
        from hypothesis import settings
    except ImportError:  # the target does not depend on it
        return
    settings.register_profile("bazel", deadline=None)
    settings.load_profile("bazel")


def main() -> int:
    """Runs pytest; a target in which no test is found has failed."""
    workspace = pathlib.Path.cwd()
    tests = [value[8:] for value in sys.argv[1:] if value.startswith("--tests=")]
    arguments = [value for value in sys.argv[1:] if not value.startswith("--tests=")]
    arguments += [f"--rootdir={workspace}", f"--config-file={workspace / 'pyproject.toml'}"]
    # Modules are found as Bazel's imports say, not by where a test file lies.
    arguments += ["--import-mode=importlib", "-p", "no:cacheprovider"]
    environment = os.environ
    if scratch := environment.get("TEST_TMPDIR"):
        arguments.append(f"--basetemp={scratch}/pytest")
        environment.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", f"{scratch}/hypothesis")
    if report := environment.get("XML_OUTPUT_FILE"):
        arguments.append(f"--junit-xml={report}")
    if expression := environment.get("TESTBRIDGE_TEST_ONLY"):
        arguments += ["-k", expression]
    if environment.get("TESTBRIDGE_TEST_RUNNER_FAIL_FAST") == "1":
        arguments.append("-x")
    _let_examples_take_their_time()
    plugins: list[object] = []
    total = int(environment.get("TEST_TOTAL_SHARDS", "1"))
    if total > 1:
        # Says to Bazel that this program knows about shards.
        pathlib.Path(environment["TEST_SHARD_STATUS_FILE"]).touch()
        plugins.append(Shard(int(environment["TEST_SHARD_INDEX"]), total))
    code = int(pytest.main([*arguments, *tests], plugins=plugins))
    # A shard, unlike a whole target, may be left without a test.
    return 0 if code == pytest.ExitCode.NO_TESTS_COLLECTED and total > 1 else code


if __name__ == "__main__":
    sys.exit(main())
