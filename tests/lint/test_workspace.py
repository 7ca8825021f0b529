"""What the linters take for the workspace's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lint.workspace import files


def test_links_of_bazel_are_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A Bazel whose outputs are gone leaves links that point to nothing.
    (tmp_path / "bazel-bin").symlink_to(tmp_path / "gone")
    (tmp_path / "bazel-out").mkdir()
    for name in ("MODULE.bazel", "bazel-out/made.py", "one.py"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert [path.name for path in files("")] == ["MODULE.bazel", "one.py"]
    assert [path.name for path in files(".py")] == ["one.py"]
