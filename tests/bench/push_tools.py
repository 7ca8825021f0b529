"""The programs that the push benchmark compares, as command lines."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench import push_images
from tests.bench.push_images import Image

__all__ = ["Tool", "tools"]


@dataclass(frozen=True)
class Tool:
    """A way to push.

    Attributes:
        name: for the table.
        one: the command that pushes one image to `registry/repository:latest`.
        program: what has to be on PATH.
        prepare: done before and not measured.
        many: the command for all images at once, for tools that have one.
        inside: what is measured is what the program prints, seconds, and not its whole run.
    """

    name: str
    one: Callable[[Image, str, str], list[str]]
    program: str = ""
    prepare: Callable[[Image, str, str], list[str]] | None = None
    many: Callable[[list[tuple[Image, str, str]]], list[str]] | None = None
    inside: bool = False

    @property
    def here(self) -> bool:
        return not self.program or shutil.which(self.program) is not None


#: The targets `one` and `many`, of which the command line replaces what they were built for.
_TARGETS = Path(__file__).parent

#: Runs a command's main and prints the seconds that it took, without the interpreter's start and
#: without importing what it imports when it needs it.
_INSIDE = (
    "import sys, time, contextlib, io, importlib\n"
    "import lading.commands.jobs, lading.registry.upload\n"
    "main = importlib.import_module(sys.argv[1]).main\n"
    "started = time.perf_counter()\n"
    "with contextlib.redirect_stdout(io.StringIO()): main(sys.argv[2:])\n"
    "print(time.perf_counter() - started)\n"
)


def tools(directory: Path, docker_host: str) -> list[Tool]:
    """Everything that can be compared; `directory` holds the layouts."""

    def lading(image: Image, registry: str, repository: str) -> list[str]:
        flags = push_images.spec([(image, registry, repository)], directory, many=False)
        return [str(_TARGETS / "one"), *flags]

    def lading_many(images: list[tuple[Image, str, str]]) -> list[str]:
        flags = push_images.spec(images, directory, many=True)
        return [str(_TARGETS / "many"), *flags]

    def inside(command: list[str], module: str) -> list[str]:
        return [sys.executable, "-c", _INSIDE, module, *command[1:]]

    docker = ["docker", "--host", docker_host]
    return [
        Tool("lading", lading, many=lading_many),
        Tool(
            "lading, inside",
            lambda *what: inside(lading(*what), "lading.commands.push"),
            many=lambda images: inside(lading_many(images), "lading.commands.multi_deploy"),
            inside=True,
        ),
        Tool(
            "crane",
            lambda image, registry, repository: [
                "crane", "push", "--insecure",
                str(image.directory), f"{registry}/{repository}:latest",
            ],
            "crane",
        ),
        Tool(
            "oras",
            lambda image, registry, repository: [
                "oras", "cp", "--from-oci-layout", "--to-plain-http", "--no-tty",
                f"{image.directory}:latest", f"{registry}/{repository}:latest"
            ],
            "oras",
        ),
        Tool(
            "skopeo",
            lambda image, registry, repository: [
                "skopeo", "copy", "--quiet", "--dest-tls-verify=false",
                f"oci:{image.directory}:latest", f"docker://{registry}/{repository}:latest"
            ],
            "skopeo",
        ),
        Tool(
            "docker push",
            lambda image, registry, repository: [
                *docker, "push", "--quiet", f"{registry}/{repository}:latest"
            ],
            "dockerd",
            prepare=lambda image, registry, repository: [
                "skopeo", "copy", "--quiet", "--dest-daemon-host", docker_host,
                f"oci:{image.directory}:latest",
                f"docker-daemon:{registry}/{repository}:latest",
            ],
        ),
    ]  # fmt: skip
