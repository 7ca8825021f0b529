"""The builders that Dockerfiles are built with here: real daemons, each with a base image."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.dockerfile.machines import ALL, Machine, every_machine
from tests.integration.dockerfile.shell_base import shell_base
from tests.integration.harness import programs, servers


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shell_base(tmp_path_factory.mktemp("base") / "layout")


@pytest.fixture(scope="module")
def docker() -> Iterator[str]:
    programs.need("buildah", "unshare")
    with servers.docker_daemon(own=True) as host:
        yield host


@pytest.fixture(scope="module")
def containerd() -> Iterator[str]:
    programs.need("buildah", "unshare")
    with servers.docker_daemon(containerd_images=True) as host:
        yield host


@pytest.fixture(scope="module")
def machines(docker: str, containerd: str, base: Path) -> Iterator[dict[str, Machine]]:
    with every_machine(docker, containerd, base) as found:
        yield found


@pytest.fixture(params=ALL)
def machine(request: pytest.FixtureRequest, machines: dict[str, Machine]) -> Machine:
    return machines[request.param]
