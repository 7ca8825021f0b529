"""A project that used rules_img in ways its own examples do not, with only load lines changed."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import programs, servers
from tests.integration.harness.launchers import launch
from tests.integration.harness.nested_bazel import NestedBazel, nested_bazel, workspace

_STATUS = """#!/bin/sh
echo STABLE_GIT_COMMIT 0123abc
echo GIT_BRANCH main
"""


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="lading-moved-", dir=os.environ["TEST_TMPDIR"]))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def registry(directory: Path) -> Iterator[str]:
    with servers.docker_registry(directory) as address:
        yield address


@pytest.fixture(scope="module")
def bazel(directory: Path, registry: str) -> Iterator[NestedBazel]:
    """The project's workspace, in which everything has been built."""
    digest = launch("tests/integration/images/push_base", f"--registry={registry}")["digest"]
    source, project = workspace() / "tests/integration/images/moved", directory / "project"
    shutil.copytree(source, project)
    for name in ("MODULE.bazel.in", "BUILD.bazel"):
        text = (project / name).read_text().replace("@LADING@", str(workspace()))
        text = text.replace("@REGISTRY@", registry).replace("@DIGEST@", digest)
        (project / name.removesuffix(".in")).write_text(text)
    status = directory / "status.sh"
    status.write_text(_STATUS)
    status.chmod(0o755)
    (project / ".bazelrc").write_text(
        f"common --@lading//rules/settings:destination_registry={registry}\n"
        "common --@lading//rules/settings:stamp=auto\n"
        f"build --workspace_status_command={status}\n"
        "build --color=no --curses=no\n"
    )
    with nested_bazel(directory / "output_base", directory=project) as nested:
        done = nested.run("build", "//...")
        assert done.returncode == 0, done.stderr
        yield nested


def _output(bazel: NestedBazel, name: str) -> Path:
    return Path(bazel.run("info", "bazel-bin").stdout.strip(), name)


def _config(bazel: NestedBazel, name: str) -> Any:
    return json.loads(_output(bazel, f"{name}.config.json").read_bytes())["config"]


def test_layers_of_binaries_say_how_the_image_starts(bazel: NestedBazel) -> None:
    config = _config(bazel, "by_layers")
    assert config["Entrypoint"] == ["/usr/bin/server"]
    assert config["Cmd"] == ["--port=80"]
    assert config["Env"] == ["PATH=/usr/bin:/bin", "HELPER=yes", "MODE=release"]
    assert config["WorkingDir"] == "/usr/bin/helper.runfiles/_main"


def test_attributes_win_over_layers_of_binaries(bazel: NestedBazel) -> None:
    config = _config(bazel, "by_attributes")
    assert config["Entrypoint"] == ["/sbin/init", "--", "/usr/bin/server"]
    assert config["Cmd"] == ["--port=80"]
    assert "MODE=debug" in config["Env"]
    assert _config(bazel, "appended")["Cmd"] == ["--port=80", "--verbose"]


def test_build_settings_keep_their_types_and_win_over_the_status(bazel: NestedBazel) -> None:
    config = _config(bazel, "templates")
    labels = {name: config["Labels"][name] for name in ("by", "kind", "year")}
    assert labels == {"by": "somebody", "kind": "snapshot false", "year": "this 2025"}
    assert config["Env"][-2:] == ["A=attribute", "B=file"]
    assert "8080/tcp" in config["ExposedPorts"]
    manifest = json.loads(_output(bazel, "templates.manifest.json").read_bytes())
    assert manifest["annotations"]["base"] == _output(bazel, "by_layers.digest").read_text()
    index = json.loads(_output(bazel, "index_of_templates.index.json").read_bytes())
    assert index["annotations"] == {"kind": "snapshot"}


def test_rules_around_layers_find_what_they_read(bazel: NestedBazel) -> None:
    blob = _output(bazel, "layer.tar.gz").read_bytes()
    assert _output(bazel, "copy.tgz").read_bytes() == blob
    [archive] = bazel.build("//:arm_archive")
    with tarfile.open(archive) as tar:
        assert tar.getmember("index.json").isfile()


def test_rules_around_pushes_find_what_they_read(bazel: NestedBazel) -> None:
    lines = _output(bazel, "api_deployment.txt").read_text().splitlines()
    assert lines[0] == _output(bazel, "api.digest").read_text()
    assert lines[1:4] == ["linux/amd64/", "linux/amd64/v3", "linux/arm64/v8"]
    assert "DOCKER_CONFIG" in lines[4:]


def test_everything_is_deployed_by_one_command(bazel: NestedBazel, registry: str) -> None:
    programs.need("crane", "skopeo")
    with servers.docker_daemon() as host:
        env = {"DOCKER_HOST": host}
        nested = NestedBazel(bazel.directory, bazel.output_base, env)
        done = nested.run("run", "--stamp", "//:deploy")
        assert done.returncode == 0, done.stderr
        done = nested.run("run", "//:api_load", "--", "--platform", "linux/amd64")
        assert done.returncode == 0, done.stderr
        names = ["moved/carried:1", "somebody/by-layers:1", "moved/api:dev"]
        shown = json.loads(programs.run(["docker", "image", "inspect", *names], env=env))
        programs.run(["docker", "image", "rm", *names], env=env)
    assert shown[2]["Config"]["Entrypoint"] == ["/app/bin/server"]
    assert shown[2]["Config"]["User"] == "65532:65532"
    digest = _output(bazel, "api.digest").read_text()
    found = programs.run(["crane", "ls", "--insecure", f"{registry}/moved/api"]).split()
    assert set(found) == {"latest", "dev-0123abc", digest.replace(":", "-")}
    for name in ("moved/tool", "moved/carried"):
        programs.run(["crane", "validate", "--insecure", f"--remote={registry}/{name}:1"])
    tool = f"docker://{registry}/moved/tool:1"
    config = json.loads(programs.run(["skopeo", "inspect", "--config", "--tls-verify=false", tool]))
    assert config["config"]["Entrypoint"] == ["/app/server"]
    assert config["config"]["WorkingDir"] == "/app"
    assert "HELPER=yes" in config["config"]["Env"]
