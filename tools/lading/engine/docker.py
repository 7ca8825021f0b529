"""Docker over its Engine API (version 1.24 and later).

An image is sent without a name, checked by its id, and named only then, so a name is the old
image or the complete new one. Layers that the daemon has are not sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lading.engine import sending
from lading.engine.api import Api
from lading.engine.endpoint import Endpoint
from lading.engine.engine import ENDED, EngineImage, Progress, Sent
from lading.engine.name import split
from lading.errors import ConflictError, EngineError
from lading.oci.content import Content
from lading.oci.digest import Digest
from lading.oci.platform import Platform
from lading.store import tarball
from lading.store.image import Image

__all__ = ["Docker"]

#: First API version whose daemon unpacks zstd layers from an archive (Engine 23.0).
_ZSTD_API = (1, 42)
#: Most images asked about when looking for layers that are there.
_MOST_IMAGES = 512


class Docker:
    """A Docker daemon. Nothing is asked of it before the first call."""

    name = "docker"

    def __init__(self, endpoint: Endpoint) -> None:
        self._api = Api(
            endpoint,
            "Docker daemon",
            start="start it (dockerd, or your Docker application), set DOCKER_HOST, or name another"
            " engine: --daemon=podman",
        )
        self._version: Mapping[str, Any] | None = None

    def platform(self) -> Platform:
        version = self._asked()
        return Platform(str(version.get("Os", "linux")), str(version.get("Arch", "")))

    def find(self, name: str) -> EngineImage | None:
        answer = self._api.request("GET", f"/images/{quote(name, safe=':/@')}/json")
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise EngineError(f"the Docker daemon cannot say what {name} is: {answer.message}")
        return _image(answer.value)

    def used(self) -> frozenset[Digest]:
        containers = self._call("/containers/json", {"all": "1"})
        live = (item for item in containers if item.get("State") not in ENDED)
        return frozenset(Digest.parse(item["ImageID"]) for item in live)

    def remove(self, name: str) -> None:
        self._asked()
        answer = self._api.request("DELETE", f"/images/{quote(name, safe=':/@')}")
        if answer.status == 409:
            raise ConflictError(f"{name} is used by a container: {answer.message}")
        if answer.status not in (200, 404):
            raise EngineError(f"the Docker daemon does not remove {name}: {answer.message}")

    def save(self, name: str, path: Path) -> None:
        """Writes the image called `name` to a new file, as `docker save` does.

        Raises NotFoundError, EngineError, or StorageError.
        """
        self._asked()
        self._api.download(f"/images/{quote(name, safe=':/@')}/get", path, doing="saving an image")

    def close(self) -> None:
        """Ends the connections."""
        self._api.close()

    def _asked(self) -> Mapping[str, Any]:
        """What the daemon says it is; all later requests use its API version."""
        if self._version is None:
            self._version = self._api.get("/version")
            self._api.prefix = f"/v{self._version.get('ApiVersion', '1.24')}"
        return self._version

    def _call(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        self._asked()
        return self._api.get(path, params)

    def in_containerd(self) -> bool:
        """Whether images are kept in containerd, where the id is the manifest's digest."""
        status = self._call("/info").get("DriverStatus") or []
        return ["driver-type", "io.containerd.snapshotter.v1"] in status

    def id_of(self, image: Image) -> Digest:
        return image.manifest.digest if self.in_containerd() else image.config.digest

    def send(self, content: Content, image: Image, progress: Progress, sent: Sent) -> None:
        """Sends the image without the layers that are there; all of it if that was wrong."""
        if self.in_containerd():
            files = tarball.members(image, [])
            self._upload(sending.body(files, content, progress, sent))
            return
        skip = self._present(image)
        try:
            self._send_archive(content, image, skip, progress, sent)
        except EngineError:
            # Somebody may have removed the image whose layers were to be shared.
            if not skip or not self._answers():
                raise
            sent.forget()
            self._send_archive(content, image, frozenset(), progress, sent)

    def _send_archive(
        self,
        content: Content,
        image: Image,
        skip: frozenset[Digest],
        progress: Progress,
        sent: Sent,
    ) -> None:
        files = tarball.docker_members(image, skip)
        zstd = self.api_version() < _ZSTD_API
        with sending.unpacked(files, image, content, zstd=zstd) as ready:
            self._upload(sending.body(ready, content, progress, sent))

    def _upload(self, body: Iterator[bytes]) -> None:
        doing = "while an image was loaded"
        for message in self._api.upload("/images/load", body, {"quiet": "1"}, doing=doing):
            if "error" in message or "errorDetail" in message:
                detail = message.get("errorDetail") or {}
                text = detail.get("message") or message.get("error")
                raise EngineError(
                    f"the Docker daemon refused the image: {' '.join(str(text).split())}",
                    fix="nothing was named",
                )

    def _answers(self) -> bool:
        try:
            return self._api.request("GET", "/_ping").status == 200
        except EngineError:
            return False

    def _present(self, image: Image) -> frozenset[Digest]:
        """The lowest layers that some image of the daemon also has, by ChainID.

        Docker looks a layer up by its ChainID before it opens the layer's file, so that file
        need not be in the archive.
        """
        depth = 0
        for item in self._call("/images/json", {"all": "0"})[:_MOST_IMAGES]:
            found = self.find(item["Id"])
            if found is None:
                continue
            shared = 0
            for ours, theirs in zip(image.diff_ids, found.diff_ids, strict=False):
                if ours != theirs:
                    break
                shared += 1
            depth = max(depth, shared)
        below = {layer.digest for layer in image.layers[:depth]}
        # A layer that occurs again higher up is needed there.
        return frozenset(below - {layer.digest for layer in image.layers[depth:]})

    def tag(self, image_id: Digest, name: str) -> None:
        repository, tag = split(name)
        answer = self._api.request(
            "POST", f"/images/{image_id}/tag", {"repo": repository, "tag": tag}
        )
        if answer.status != 201:
            raise EngineError(f"the Docker daemon does not name the image {name}: {answer.message}")

    def api_version(self) -> tuple[int, ...]:
        """The version of its API, such as (1, 42)."""
        text = str(self._asked().get("ApiVersion", "1.24"))
        return tuple(int(part) for part in text.split(".") if part.isdigit())


def _image(value: Mapping[str, Any]) -> EngineImage:
    rootfs = value.get("RootFS") or {}
    return EngineImage(
        Digest.parse(value["Id"]),
        tuple(value.get("RepoTags") or ()),
        tuple(Digest.parse(item) for item in rootfs.get("Layers") or ()),
        Platform(value.get("Os", ""), value.get("Architecture", ""), value.get("Variant") or ""),
    )
