"""The same build, executed remotely, has the same digests (S2.2), and is pushed from it (S2.4)."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import programs, servers
from tests.integration.harness.nested_bazel import NestedBazel, nested_bazel
from tests.integration.remote.engine import Engine, remote_execution

_PACKAGE = "tests/integration/remote"
#: What an image is made by, and what compiles the programs that make it.
_MNEMONICS = {"LayerTar", "ImageManifest", "ImageIndex", "ImageLayout", "PythonCompile"}


@dataclass(frozen=True)
class Build:
    """What Bazel's log says of a build.

    Attributes:
        outputs: sha256 of every file that an action made, by its path.
        runners: what ran actions, by mnemonic.
        downloaded: layers and blobs of layouts that are in Bazel's output tree afterwards.
    """

    outputs: dict[str, str]
    runners: dict[str, set[str]]
    downloaded: list[str]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with remote_execution() as running:
        yield running


@pytest.fixture(scope="module")
def bazel() -> Iterator[NestedBazel]:
    directory = Path(tempfile.mkdtemp(prefix="lading-", dir=os.environ["TEST_TMPDIR"]))
    with nested_bazel(directory / "base") as running:
        yield running


@pytest.fixture(scope="module")
def remote(bazel: NestedBazel, engine: Engine) -> Build:
    """Everything built by the engine, which has seen nothing of it."""
    return _build(bazel, *_remotely(engine))


def _remotely(engine: Engine) -> list[str]:
    return [
        f"--remote_executor={engine.address}",
        "--remote_default_exec_properties=OSFamily=linux",
        "--remote_download_minimal",
        # An action that cannot run remotely is an error.
        "--spawn_strategy=remote",
    ]


def _build(bazel: NestedBazel, *options: str) -> Build:
    """Builds everything from nothing."""
    bazel.run("clean")
    log = bazel.output_base / "execution.json"
    built = bazel.run(
        "build",
        "--disk_cache=",
        f"--execution_log_json_file={log}",
        *options,
        f"//{_PACKAGE}:images",
    )
    assert built.returncode == 0, built.stderr
    outputs: dict[str, str] = {}
    runners: dict[str, set[str]] = {}
    for action in _objects(log.read_text()):
        runners.setdefault(action["mnemonic"], set()).add(action["runner"])
        for output in action["actualOutputs"]:
            assert output["digest"]["hashFunctionName"] == "SHA-256"
            outputs[output["path"]] = output["digest"]["hash"]
    return Build(outputs, runners, _blobs(bazel))


def _objects(text: str) -> Iterator[Any]:
    """JSON objects, one after the other."""
    decoder = json.JSONDecoder()
    text = text.lstrip()
    while text:
        value, end = decoder.raw_decode(text)
        yield value
        text = text[end:].lstrip()


def _blobs(bazel: NestedBazel) -> list[str]:
    outputs = bazel.output_base / "execroot/_main/bazel-out"
    return [
        str(path)
        for pattern in ("*.tar.gz", "*.tar.zst", "*.oci/blobs/*/*")
        for path in outputs.rglob(pattern)
    ]


def test_every_action_runs_on_the_engine(remote: Build) -> None:
    assert remote.runners.keys() >= _MNEMONICS
    assert {runner for found in remote.runners.values() for runner in found} == {"remote"}


def test_no_layer_comes_to_the_client(remote: Build) -> None:
    assert remote.downloaded == []


@pytest.mark.parametrize(
    ("options", "runner"),
    [
        (["--strategy=LayerTar=worker", "--strategy=ImageManifest=worker"], "worker"),
        (["--spawn_strategy=linux-sandbox"], "linux-sandbox"),
    ],
    ids=["worker", "sandbox"],
)
def test_its_digests_are_those_of_this_machine(
    bazel: NestedBazel, remote: Build, options: list[str], runner: str
) -> None:
    local = _build(bazel, *options)
    assert local.runners["LayerTar"] == local.runners["ImageManifest"] == {runner}
    # Layers of both compressors, from files, directories, programs and archives; images; layouts.
    assert len(local.downloaded) > 12
    different = {
        path
        for path in remote.outputs.keys() | local.outputs.keys()
        if remote.outputs.get(path) != local.outputs.get(path)
    }
    assert {Path(path).name.partition(".")[0] for path in different} == {"links_kept"}
    # Bazel hands over what links in a directory point to, as docs/layers.md says.
    (kept,) = [path for path in different if path.endswith(".tar.gz")]
    assert remote.outputs[kept] == local.outputs[kept.replace("links_kept", "links_followed")]


def test_a_push_takes_layers_from_the_engine(
    bazel: NestedBazel, engine: Engine, remote: Build, tmp_path: Path
) -> None:
    programs.need("skopeo")
    bazel.run("clean")
    with servers.docker_registry(tmp_path) as registry:
        pushed = bazel.run(
            "run",
            "--disk_cache=",
            *_remotely(engine),
            f"//{_PACKAGE}:push",
            "--",
            "--json",
            "--insecure",
            f"--registry={registry}",
            f"--remote_cache={engine.address}",
        )
        assert pushed.returncode == 0, pushed.stderr
        assert _blobs(bazel) == []
        # It checks every blob's digest.
        source = f"docker://{registry}/remote/image:v1"
        programs.run(["skopeo", "copy", "--src-tls-verify=false", source, f"oci:{tmp_path}/image"])
    blobs = list((tmp_path / "image/blobs/sha256").iterdir())
    assert json.loads(pushed.stdout)["sent"] == len(blobs) > 5
