"""Every builder there is, with a base to build on: real daemons and programs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lading.builder import choose, normalise
from lading.builder.request import Builder, BuildRequest
from lading.layer.view import View
from lading.oci import document, layout
from lading.oci.digest import Digest
from lading.store.archive import Archive
from tests.integration.dockerfile.remote_buildkit import remote_buildkit
from tests.integration.dockerfile.watching import opened

__all__ = ["ALL", "Machine", "every_machine", "normal", "texts"]

ALL = ("docker", "docker with containerd", "buildkit", "buildah")


@dataclass(frozen=True)
class Machine:
    """A builder with a base to build on."""

    name: str
    builder: Builder
    base: Path

    def request(self, context: Path, text: str, **fields: object) -> BuildRequest:
        context.mkdir(parents=True, exist_ok=True)
        (context / "Dockerfile").write_text(text)
        given = {"bases": {"base:1": self.base}, "timeout": 200.0, **fields}
        return BuildRequest(context, **given)  # type: ignore[arg-type]


@contextlib.contextmanager
def every_machine(docker: str, containerd: str, base: Path) -> Iterator[dict[str, Machine]]:
    """The builders by their names in ALL.

    Args:
        docker: address of a daemon that keeps images in a graph driver.
        containerd: address of one that keeps them in containerd.
        base: layout of what they build on.
    """
    with remote_buildkit(containerd.removeprefix("unix://")) as address:
        builders = (
            choose.find("docker", address=docker),
            choose.find("docker", address=containerd),
            choose.find("buildkit", address=address),
            choose.find("buildah"),
        )
        yield {name: Machine(name, one, base) for name, one in zip(ALL, builders, strict=True)}


def normal(request: BuildRequest, archive: Path, output: Path) -> normalise.Result:
    """What lading makes of an archive; layers are in `output`."""
    with Archive(archive) as opened_archive:
        found = opened_archive.image(request.platform)
        bases = list(request.bases.values())
        return normalise.image(opened_archive, found, bases, output, what="it")


def texts(request: BuildRequest, archive: Path, output: Path, *names: str) -> list[str]:
    """What is in files of the image in `archive`."""
    result = normal(request, archive, output)
    manifest = document.loads_object(result.manifest, what="the manifest")
    paths = [output / layout.blob_name(Digest.parse(item["digest"])) for item in manifest["layers"]]
    view = View([partial(opened, path) for path in paths])
    nodes = dict(view.walk())
    return [view.read(nodes[name], limit=1 << 20).decode() for name in names]
