"""Pushing what is nowhere but in Bazel's remote cache (S2.4), with a real cache and registry."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import programs, servers
from tests.integration.harness.nested_bazel import NestedBazel, nested_bazel
from tests.integration.harness.remote_cache import Casd, remote_cache
from tests.registry_server.cache import serve_cache

PACKAGE = "tests/integration/push"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Casd]:
    with remote_cache(tmp_path_factory.mktemp("cache")) as running:
        yield running


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.docker_registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


@pytest.fixture(scope="module")
def bazel(cache: Casd) -> Iterator[NestedBazel]:
    """A Bazel that has built everything, uploaded it, and kept nothing of it."""
    directory = Path(tempfile.mkdtemp(prefix="lading-", dir=os.environ["TEST_TMPDIR"]))
    with nested_bazel(directory / "base") as running:
        built = running.run("build", *_options(cache.bazel_address), f"//{PACKAGE}:all")
        assert built.returncode == 0, built.stderr
        running.run("clean")
        yield running


def _options(address: str) -> list[str]:
    return [
        f"--remote_cache={address}",
        "--remote_download_minimal",
        "--//rules/settings:push_strategy=lazy",
        "--//rules/settings:load_strategy=lazy",
        "--disk_cache=",
    ]


def _run(bazel: NestedBazel, cache: Casd, target: str, *arguments: str) -> Any:
    result = _start(bazel, cache, target, *arguments)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def _start(
    bazel: NestedBazel, cache: Casd, target: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    return bazel.run(
        "run",
        *_options(cache.bazel_address),
        f"//{PACKAGE}:{target}",
        "--",
        "--json",
        "--insecure",
        *arguments,
    )


def _layers(bazel: NestedBazel) -> list[str]:
    """Layer blobs that are on this machine's disk."""
    return sorted(
        path.name
        for path in (bazel.output_base / "execroot").rglob("*.tar.gz")
        if PACKAGE in str(path)
    )


def test_push_streams_from_the_remote_cache_what_no_file_holds(
    bazel: NestedBazel, cache: Casd, registry: str, tmp_path: Path
) -> None:
    programs.need("skopeo")
    result = _run(
        bazel, cache, "one.push", f"--registry={registry}", f"--remote_cache={cache.address}"
    )

    assert result["sent"] == 4
    assert _layers(bazel) == []
    # Another program reads it back, whole: every digest is checked on the way.
    source = f"docker://{registry}/team/one:v1"
    programs.run(["skopeo", "copy", "--src-tls-verify=false", source, f"oci:{tmp_path}/one:v1"])
    index = json.loads((tmp_path / "one" / "index.json").read_text())
    assert index["manifests"][0]["digest"] == result["digest"]


def test_unchanged_push_asks_the_registry_once_and_the_cache_never(
    bazel: NestedBazel, cache: Casd, registry: str
) -> None:
    _run(bazel, cache, "two.push", f"--registry={registry}", f"--remote_cache={cache.address}")
    nowhere = f"grpc://127.0.0.1:{servers.free_port()}"
    result = _run(bazel, cache, "two.push", f"--registry={registry}", f"--remote_cache={nowhere}")

    assert result["requests"] == 1
    assert not result["changed"]


def test_index_is_pushed_from_the_remote_cache(
    bazel: NestedBazel, cache: Casd, registry: str
) -> None:
    result = _run(
        bazel, cache, "both.push", f"--registry={registry}", f"--remote_cache={cache.address}"
    )
    assert result["changed"]
    assert _layers(bazel) == []


def test_layout_is_filled_from_the_remote_cache(
    bazel: NestedBazel, cache: Casd, tmp_path: Path
) -> None:
    programs.need("umoci")
    _run(bazel, cache, "one.push", f"--store={tmp_path}", f"--remote_cache={cache.address}")
    layout = tmp_path / "layouts" / "team" / "one"
    programs.run(["umoci", "unpack", "--rootless", "--image", f"{layout}:v1", tmp_path / "bundle"])
    numbers = (tmp_path / "bundle" / "rootfs" / "srv" / "numbers.txt").read_text()
    assert numbers.endswith("\n400000\n")


def test_compact_layers_are_made_while_they_are_pushed(
    bazel: NestedBazel, cache: Casd, registry: str, tmp_path: Path
) -> None:
    programs.need("skopeo")
    where = [f"--registry={registry}", "--repository=compact/one"]
    compact = bazel.run(
        "run",
        "--//rules/settings:compact_layers=enabled",
        "--disk_cache=",
        f"//{PACKAGE}:one.push",
        "--",
        "--json",
        "--remote_cache=",
        *where,
    )
    assert compact.returncode == 0, compact.stderr
    result = json.loads(compact.stdout)

    assert result["sent"] == 4
    assert _layers(bazel) == []
    source = f"docker://{registry}/compact/one:v1"
    programs.run(["skopeo", "copy", "--src-tls-verify=false", source, f"oci:{tmp_path}/one:v1"])
    # The digest is that of layers which are files.
    again = _run(bazel, cache, "one.push", *where, "--remote_cache=")
    assert again["digest"] == result["digest"]
    assert not again["changed"]


@pytest.mark.parametrize("caches", [[], ["nowhere"]])
def test_blob_that_is_nowhere_is_named_with_every_place_and_the_way_out(
    bazel: NestedBazel, cache: Casd, registry: str, caches: list[str]
) -> None:
    flags = [f"--remote_cache=grpc://127.0.0.1:{servers.free_port()}" for _ in caches]
    repository = f"--repository=nowhere/{len(caches)}"
    result = _start(bazel, cache, "one.push", f"--registry={registry}", repository, *flags)

    assert result.returncode == (6 if caches else 4)
    message = result.stderr[result.stderr.index("lading: ") :]
    assert re.search(r"sha256:[0-9a-f]{64} \(.*B\) is not in the target's files, nor in", message)
    assert "--remote_cache" in message
    assert "Traceback" not in message
    assert len(message.strip().splitlines()) <= 3


def test_blob_that_the_cache_lost_is_named(
    bazel: NestedBazel, cache: Casd, registry: str, tmp_path: Path
) -> None:
    layout = _run(
        bazel, cache, "one.push", f"--store={tmp_path}", f"--remote_cache={cache.address}"
    )["destination"].removeprefix("oci:")
    blobs = {path.name: path for path in Path(layout, "blobs", "sha256").iterdir()}
    largest = max(blobs, key=lambda name: blobs[name].stat().st_size)
    kept = cache.blob(largest)
    aside = kept.with_name("aside")
    kept.rename(aside)
    try:
        result = _start(
            bazel,
            cache,
            "one.push",
            f"--registry={registry}",
            "--repository=lost/one",
            f"--remote_cache={cache.address}",
        )
    finally:
        aside.rename(kept)
    assert result.returncode == 4
    assert f"sha256:{largest}" in result.stderr
    assert cache.address in result.stderr


def test_push_streams_from_a_cache_that_speaks_http(
    bazel: NestedBazel, registry: str, tmp_path: Path
) -> None:
    programs.need("skopeo")
    with serve_cache() as cache:
        address = f"http://{cache.address}/main"
        # Or Bazel would count on what the other cache has.
        bazel.run("clean")
        options = [*_options(address), f"//{PACKAGE}:one.push"]
        built = bazel.run("build", *options)
        assert built.returncode == 0, built.stderr
        bazel.run("clean")
        run = ["--", "--json", f"--registry={registry}", "--repository=http/one"]
        pushed = bazel.run("run", *options, *run, f"--remote_cache={address}")
    assert pushed.returncode == 0, pushed.stderr
    assert json.loads(pushed.stdout)["sent"] == 4
    assert _layers(bazel) == []
    source = f"docker://{registry}/http/one:v1"
    programs.run(["skopeo", "copy", "--src-tls-verify=false", source, f"oci:{tmp_path}/one:v1"])
