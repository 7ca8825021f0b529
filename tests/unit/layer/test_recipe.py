"""Layers that are made from their recipe while they are read (S2.4)."""

from __future__ import annotations

import hashlib
import json
import os
import random
import tarfile
import threading
import tracemalloc
from pathlib import Path

import pytest

from lading.errors import InputError, LadingError, NotFoundError
from lading.layer.build import LayerRequest, build_layer
from lading.layer.compress import SOCI_SPAN, Compression
from lading.layer.recipe import open_layer


def _sources(root: Path, size: int = 300_000) -> list[str]:
    """Relative sources of every kind that names a file."""
    (root / "tree" / "sub").mkdir(parents=True)
    (root / "tree" / "sub" / "file").write_bytes(random.Random(1).randbytes(size))
    (root / "tree" / "link").symlink_to("sub/file")
    (root / "plain").write_text("plain\n" * 1000)
    with tarfile.open(root / "more.tar", "w") as archive:
        archive.add(root / "plain", "srv/from-archive")
    return [
        "T\t/srv/tree\ttree",
        "F\t/srv/plain\tplain",
        "A\t/\tmore.tar",
        "L\t/srv/link\ttarget",
        "D\t/srv/empty",
        "E\t/srv/nothing",
        'M\t/srv/plain\t{"mode": "0600"}',
    ]


def _build(root: Path, request: LayerRequest) -> dict[str, object]:
    """Builds with relative paths, as an action does; returns the metadata."""
    before = Path.cwd()
    os.chdir(root)
    try:
        build_layer(request)
    finally:
        os.chdir(before)
    value: dict[str, object] = json.loads((root / "metadata.json").read_text())
    return value


@pytest.mark.parametrize(
    "kind", ["gzip", "gzip for soci", "zstd", "zstd small", "none", "estargz", "recompressed"]
)
@pytest.mark.parametrize("size", [300_000, 9_000_000])
def test_layer_from_its_recipe_has_the_bytes_of_the_file(
    tmp_path: Path, kind: str, size: int
) -> None:
    sources = _sources(tmp_path, size)
    if kind == "recompressed":
        with tarfile.open(tmp_path / "whole.tar.gz", "w:gz") as archive:
            archive.add(tmp_path / "tree", "tree")
        sources = ["R\t/\twhole.tar.gz"]

    compression = Compression(kind if kind in ("zstd", "none") else "gzip", level=1)
    if kind == "zstd small":
        compression = Compression("zstd", "small")
    if kind == "gzip for soci":
        compression = Compression("gzip", target=SOCI_SPAN)

    def request(output: str, recipe: str) -> LayerRequest:
        return LayerRequest(
            output,
            sources,
            metadata="metadata.json",
            recipe=recipe,
            compression=compression,
            default_metadata='{"uid": 7}',
            deduplicate_trees=True,
            estargz=kind == "estargz",
        )

    full = _build(tmp_path, request("layer", ""))
    compact = _build(tmp_path, request("", "recipe.json"))
    assert compact == full
    assert (tmp_path / "recipe.json").stat().st_size < 1000

    # From elsewhere: the recipe's paths are relative to the root that is given.
    with open_layer(tmp_path / "recipe.json", tmp_path) as stream:
        data = b"".join(iter(lambda: stream.read(100_000), b""))
    assert data == (tmp_path / "layer").read_bytes()
    assert f"sha256:{hashlib.sha256(data).hexdigest()}" == full["digest"]


def _recipe(tmp_path: Path, size: int) -> Path:
    _build(
        tmp_path,
        LayerRequest("", _sources(tmp_path, size), recipe="recipe.json", metadata="metadata.json"),
    )
    return tmp_path / "recipe.json"


@pytest.mark.parametrize("after", [0, 1, 100_000])
def test_reader_that_stops_ends_the_work(tmp_path: Path, after: int) -> None:
    stream = open_layer(_recipe(tmp_path, 9_000_000), tmp_path)
    before = threading.active_count()
    assert len(stream.read(after)) == after
    stream.close()
    stream.close()
    assert threading.active_count() < before


def test_source_that_is_gone_is_said_to_whoever_reads(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path, 1000)
    (tmp_path / "plain").unlink()
    with open_layer(recipe, tmp_path) as stream, pytest.raises(LadingError, match="plain"):
        stream.read()


def test_reading_takes_constant_memory(tmp_path: Path) -> None:
    recipe = _recipe(tmp_path, 60_000_000)
    tracemalloc.start()
    with open_layer(recipe, tmp_path) as stream:
        while stream.read(1 << 20):
            pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40_000_000


def test_recipe_that_is_missing_or_of_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        open_layer(tmp_path / "none", tmp_path)
    (tmp_path / "recipe").write_text('{"version": 1}')
    with pytest.raises(InputError, match="version 1"):
        open_layer(tmp_path / "recipe", tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "7", '{"version": 4'])
def test_what_is_no_recipe_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "recipe").write_text(text)
    with pytest.raises(InputError):
        open_layer(tmp_path / "recipe", tmp_path)
