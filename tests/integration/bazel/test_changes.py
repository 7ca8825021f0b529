"""A layer whose sources change from build to build, in the workers of a real Bazel."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.harness.nested_bazel import NestedBazel, nested_bazel, workspace

_MODULE = """
module(name = "shop")
bazel_dep(name = "lading", version = "0.1.0")
local_path_override(module_name = "lading", path = "{lading}")
"""
_BUILD = """
load("@lading//rules:defs.bzl", "image_layer")

filegroup(name = "files", srcs = glob(["files/**"]))
image_layer(name = "layer", srcs = {"/srv/": ":files"})
image_layer(name = "other", srcs = {"/opt/": ":files"})
image_layer(name = "slow", srcs = {"/srv/slow": "slow.txt"})
"""


def _text(seed: int, size: int) -> bytes:
    generator = random.Random(seed)
    words = [generator.randbytes(4).hex().encode() for _ in range(2000)]
    return b" ".join(generator.choices(words, k=size // 9))


@pytest.fixture(scope="module")
def shop() -> Iterator[NestedBazel]:
    """A workspace with 8 MB of sources, which make eight frames or so."""
    scratch = Path(tempfile.mkdtemp(prefix="lading-", dir=os.environ["TEST_TMPDIR"]))
    directory = scratch / "shop"
    (directory / "files").mkdir(parents=True)
    # A copy of its own, which a test changes.
    ignored = shutil.ignore_patterns("bazel-*", ".git", "__pycache__")
    shutil.copytree(workspace(), scratch / "lading", symlinks=True, ignore=ignored)
    (directory / "MODULE.bazel").write_text(_MODULE.format(lading=scratch / "lading"))
    (directory / "BUILD.bazel").write_text(_BUILD)
    for number in range(80):
        (directory / f"files/f{number:02}").write_bytes(_text(number, 100_000))
    (directory / "slow.txt").write_bytes(_text(1, 300_000_000))
    with nested_bazel(scratch / "output", directory=directory) as bazel:
        yield bazel


def _built(shop: NestedBazel, *options: str) -> tuple[bytes, object]:
    """The layer and its metadata; they are built anew the next time."""
    [blob] = shop.build("//:layer", *options)
    [metadata] = shop.build("//:layer", *options, "--output_groups=metadata")
    content = blob.read_bytes()
    blob.unlink()
    return content, json.loads(metadata.read_text())


def test_changes_give_the_bytes_of_a_clean_build(shop: NestedBazel) -> None:
    files = shop.directory / "files"
    changes: list[Callable[[], object]] = [
        lambda: None,
        lambda: (files / "f79").write_bytes(b"the last"),
        lambda: (files / "f40").write_bytes(_text(99, 120_000)),
        lambda: (files / "f00").write_bytes((files / "f41").read_bytes()),
        lambda: (files / "f40x").write_bytes(b"a new one"),
        (files / "f20").unlink,
        lambda: (files / "f60").rename(files / "f10x"),
    ]
    seen = set()
    for change in changes:
        change()
        in_worker = _built(shop)
        # Without a worker, so without a memory.
        assert _built(shop, "--strategy=LayerTar=local") == in_worker
        seen.add(in_worker[0])
    assert len(seen) == len(changes)


def test_one_worker_serves_layers_in_sandboxes_at_once(shop: NestedBazel) -> None:
    outputs = Path(shop.run("info", "bazel-bin").stdout.strip())
    names = ["layer.tar.gz", "other.tar.gz"]

    def build(*options: str) -> list[bytes]:
        for name in names:
            (outputs / name).unlink(missing_ok=True)
        built = shop.run("build", *options, "//:layer", "//:other")
        assert built.returncode == 0, built.stderr
        return [(outputs / name).read_bytes() for name in names]

    sandboxed = ["--experimental_worker_multiplex_sandboxing", "--strategy=LayerTar=worker"]
    before = build(*sandboxed)
    (shop.directory / "files/f30").write_bytes(b"changed")
    after = build(*sandboxed)
    assert after == build("--strategy=LayerTar=local")
    assert after != before
    # Bazel has them in the directory of the one worker, one for each request at a time.
    sandboxes = list((shop.output_base / "bazel-workers").glob("LayerTar-multiplex-*/*/__sandbox"))
    assert [len(list(directory.iterdir())) for directory in sandboxes] == [2]


def test_another_version_of_lading_gets_workers_of_its_own(shop: NestedBazel) -> None:
    # Bazel does not look into the directories that a worker's program consists of.
    before = _built(shop)
    module = shop.directory.parent / "lading/tools/lading/layer/compress.py"
    source = module.read_text()
    module.write_text(source.replace('"gzip": {"fast": 1,', '"gzip": {"fast": 9,'))
    try:
        in_worker = _built(shop)
        assert in_worker == _built(shop, "--strategy=LayerTar=local")
        assert len(in_worker[0]) < len(before[0])
    finally:
        module.write_text(source)
    assert _built(shop) == before


def test_an_interrupted_build_leaves_nothing(shop: NestedBazel) -> None:
    options = ["--experimental_worker_cancellation"]
    slow = [*options, "--@lading//rules/settings:compression_level=12"]
    _built(shop, *options)
    shop.run("build", "--nobuild", "//:slow", *slow)
    build = shop.start("build", "//:slow", *slow, "--show_progress_rate_limit=0.2")
    assert build.stderr is not None
    # Level 12 takes 300 MB about ten seconds; the worker is in the midst of it.
    said = []
    for line in build.stderr:
        said.append(line)
        if re.search("Building layer //:slow; [1-9]", line):
            break
    else:
        pytest.fail("".join(said))
    build.send_signal(signal.SIGINT)
    _, rest = build.communicate()
    assert build.returncode != 0
    assert "build interrupted" in rest, rest
    outputs = Path(shop.run("info", *slow, "bazel-bin").stdout.strip())
    # Bazel may cancel the request or kill the worker.
    assert [path.name for path in outputs.glob("*slow*") if "params" not in path.name] == []
    (shop.directory / "files/f01").write_bytes(b"after an interruption")
    assert b"" not in _built(shop, *options)
