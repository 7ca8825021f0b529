"""The archive of an image for several platforms, in the engines that it is for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lading.verify.place import Options, verify_archive
from tests.integration.harness import programs, servers
from tests.integration.harness.launchers import runfile

_NAME = "lading.test/both:test"


@pytest.fixture(scope="module")
def archive() -> Path:
    return runfile("tests/integration/images/load_both.docker.tar").resolve()


@pytest.fixture
def podman(tmp_path: Path) -> Iterator[list[str | Path]]:
    programs.need("podman")
    command: list[str | Path] = ["podman", f"--root={tmp_path}/root", f"--runroot={tmp_path}/run"]
    command.append("--storage-driver=vfs")
    yield command
    programs.run([*command, "image", "rm", "--all", "--force"])


@pytest.mark.parametrize("containerd_images", [False, True])
def test_docker_loads_the_image_of_its_platform(archive: Path, containerd_images: bool) -> None:
    with servers.docker_daemon(own=True, containerd_images=containerd_images) as host:
        env = {"DOCKER_HOST": host}
        programs.run(["docker", "load", "--input", archive], env=env)
        shown = programs.run(["docker", "image", "inspect", _NAME], env=env)
    [image] = json.loads(shown)
    _is_for_this_machine(image)


def test_podman_loads_the_image_of_its_platform(archive: Path, podman: list[str | Path]) -> None:
    programs.run([*podman, "load", "--input", archive])
    [image] = json.loads(programs.run([*podman, "image", "inspect", _NAME]))
    _is_for_this_machine(image)


def _is_for_this_machine(image: dict[str, Any]) -> None:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    assert (image["Os"], image["Architecture"]) == ("linux", machine)
    assert image["Config"]["Labels"] == {"from": "base"}


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_skopeo_takes_either_image(archive: Path, architecture: str) -> None:
    programs.need("skopeo")
    override = f"--override-arch={architecture}"
    shown = programs.run(["skopeo", "inspect", override, f"oci-archive:{archive}"])
    assert json.loads(shown)["Architecture"] == architecture


def test_verify_finds_nothing(archive: Path) -> None:
    report = verify_archive(archive, Options())
    assert (report.findings, report.counts.images) == ((), 2)
