"""The same sources give the same bytes, however Bazel happens to run the actions (S2.2)."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.integration.harness import programs
from tests.integration.harness.nested_bazel import nested_bazel


def test_two_clean_builds_give_equal_bytes() -> None:
    programs.need("taskset")
    with_workers = _build(
        "a",
        "--strategy=LayerTar=worker",
        "--strategy=ImageManifest=worker",
        env={"LC_ALL": "C", "TZ": "UTC", "PYTHONHASHSEED": "1"},
        umask=0o022,
    )
    sandboxed = _build(
        "a-directory-whose-name-has-another-length",
        "--spawn_strategy=linux-sandbox",
        "--jobs=1",
        env={"LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "2"},
        umask=0o077,
        prefix=("taskset", "-c", "0"),
    )

    assert len(with_workers) >= 4
    assert with_workers == sandboxed


def _build(
    name: str,
    *options: str,
    env: Mapping[str, str],
    umask: int,
    prefix: tuple[str, ...] = (),
) -> dict[str, str]:
    """Builds //app:image from nothing; returns the sha256 of each output by its name."""
    previous = os.umask(umask)
    try:
        directory = Path(tempfile.mkdtemp(prefix="lading-", dir=os.environ["TEST_TMPDIR"]))
        with nested_bazel(directory / name, env=env, prefix=prefix) as bazel:
            outputs = bazel.build("//app:image", "--disk_cache=", "--remote_cache=", *options)
            return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in outputs}
    finally:
        os.umask(previous)
