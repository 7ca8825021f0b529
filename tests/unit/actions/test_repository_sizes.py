"""The RepositorySizes action: sizes that a BUILD file can load."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from lading.actions import repository_sizes, worker
from lading.errors import NotFoundError


def test_the_mean_size_by_repository(tmp_path: Path) -> None:
    for name, size in (("a", 10), ("b", 21), ("own", 7)):
        (tmp_path / name).write_bytes(b"x" * size)
    tree = tmp_path / "tree"
    (tree / "below").mkdir(parents=True)
    (tree / "one").write_bytes(b"x" * 100)
    (tree / "below/two").write_bytes(b"x" * 200)
    output = tmp_path / "sizes.bzl"
    files = [("pip~a", "a"), ("pip~a", "b"), ("", "own"), ("trees", "tree")]
    arguments = [f"--file={repository}\t{tmp_path / name}" for repository, name in files]
    repository_sizes.run(worker.Request([*arguments, f"--output={output}"]))
    documentation, assignment = ast.parse(output.read_text()).body
    assert isinstance(documentation, ast.Expr)
    assert isinstance(assignment, ast.Assign)
    assert ast.literal_eval(assignment.value) == {"": "7", "pip~a": "15", "trees": "300"}


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="gone"):
        repository_sizes.run(
            worker.Request([f"--file=x\t{tmp_path / 'gone'}", f"--output={tmp_path / 'out'}"])
        )
