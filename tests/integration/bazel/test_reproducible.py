"""The same sources give the same bytes, however Bazel happens to run the actions (S2.2)."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.integration.harness import programs
from tests.integration.harness.launchers import runfile
from tests.integration.harness.nested_bazel import nested_bazel

# The outer Bazel has built these too, in its own ways: their digests are data of this test.
_TEMPLATES = ["minimal", "nodejs", "nodejs_browser", "python"]
# The second has directories made by actions, with links in them, and programs with their runfiles.
_TARGETS = ("//app:image", "//tests/integration/layer/targets:layers")


def test_two_clean_builds_give_equal_bytes() -> None:
    programs.need("taskset")
    with_workers, digests = _build(
        "a",
        "--strategy=LayerTar=worker",
        "--strategy=ImageManifest=worker",
        env={"LC_ALL": "C", "TZ": "UTC", "PYTHONHASHSEED": "1"},
        umask=0o022,
        templates=_TEMPLATES,
    )
    sandboxed, _ = _build(
        "a-directory-whose-name-has-another-length",
        "--spawn_strategy=linux-sandbox",
        "--jobs=1",
        env={"LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "2"},
        umask=0o077,
        prefix=("taskset", "-c", "0"),
    )

    assert len(with_workers) >= 4 + 12
    assert with_workers == sandboxed
    outer = {name: runfile(f"images/{name}.digest").read_text() for name in _TEMPLATES}
    assert digests == outer


def _build(
    name: str,
    *options: str,
    env: Mapping[str, str],
    umask: int,
    prefix: tuple[str, ...] = (),
    templates: Sequence[str] = (),
) -> tuple[dict[str, str], dict[str, str]]:
    """Builds an image, layers of all kinds and some templates from nothing.

    Returns the sha256 of each output of `_TARGETS` by its name, and the digests of the templates.
    """
    previous = os.umask(umask)
    try:
        directory = Path(tempfile.mkdtemp(prefix="lading-", dir=os.environ["TEST_TMPDIR"]))
        with nested_bazel(directory / name, env=env, prefix=prefix) as bazel:
            clean = ["--disk_cache=", "--remote_cache=", *options]
            hashes = {
                f"{target} {path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
                for target in _TARGETS
                for path in bazel.build(target, *clean)
            }
            digests = {}
            # All at once first: they share layers, and a build uses every CPU.
            bazel.run("build", *clean, *(f"//images:{template}" for template in templates))
            for template in templates:
                built = bazel.build(f"//images:{template}", *clean)
                (digest,) = [path for path in built if path.suffix == ".digest"]
                digests[template] = digest.read_text()
            return hashes, digests
    finally:
        os.umask(previous)
