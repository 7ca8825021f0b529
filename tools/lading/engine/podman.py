"""Podman over its own REST API, with a service started for the time of a command if none runs.

An image is sent without a name, checked by its id, and named only then. Podman reads every
layer of an archive to learn its size, so none can be left out unless the whole image is there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lading.engine import endpoint as endpoints
from lading.engine import sending
from lading.engine.api import Api
from lading.engine.endpoint import Endpoint
from lading.engine.engine import ENDED, EngineImage, Progress, Sent
from lading.engine.name import split
from lading.engine.tied import tied
from lading.errors import ConflictError, EngineError
from lading.oci.content import Content
from lading.oci.digest import Digest
from lading.oci.platform import MACHINES, Platform
from lading.store import tarball
from lading.store.image import Image

__all__ = ["Podman", "podman_endpoint"]

_API = "/v4.0.0/libpod"
_START = "install podman, or start its service: podman system service --time=0"
#: Seconds that a service gets to open its socket, and to end.
_PATIENCE = 20.0


def podman_endpoint(host: str = "", environ: Mapping[str, str] | None = None) -> Endpoint | None:
    """The address of a running service, None when there is none in the usual places.

    Raises InputError for an address that is not understood.
    """
    env = os.environ if environ is None else environ
    if host:
        return endpoints.parse(host, "the --host flag")
    if env.get("CONTAINER_HOST"):
        return endpoints.parse(env["CONTAINER_HOST"], "CONTAINER_HOST")
    directories = [env["XDG_RUNTIME_DIR"]] if env.get("XDG_RUNTIME_DIR") else []
    if os.geteuid() == 0:
        directories.append("/run")
    for directory in directories:
        path = os.path.join(directory, "podman", "podman.sock")
        if os.path.exists(path):
            return endpoints.parse(f"unix://{path}", "the usual socket")
    return None


class Podman:
    """Podman on this machine; `close` ends the service if this started one."""

    name = "podman"

    def __init__(self, endpoint: Endpoint | None) -> None:
        self._service: subprocess.Popen[bytes] | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._made = None if endpoint is None else _api(endpoint)

    def platform(self) -> Platform:
        api = self._api()
        if self._service is not None and (cpu := MACHINES.get(os.uname().machine)):
            # It is this machine; podman asks other programs first, for half a second.
            return Platform("linux", cpu)
        # The version names the platform as Go does; the host's facts name the CPU as uname does.
        version = api.get("/version")
        details = next(iter(version.get("Components") or [{}])).get("Details") or {}
        return Platform(details.get("Os", "linux"), details.get("Arch", ""))

    def find(self, name: str) -> EngineImage | None:
        answer = self._api().request("GET", f"/images/{_path(name)}/json")
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise EngineError(f"podman cannot say what {name} is: {answer.message}")
        value = answer.value
        return EngineImage(
            _digest(value["Id"]),
            tuple(value.get("RepoTags") or ()),
            tuple(Digest.parse(item) for item in (value.get("RootFS") or {}).get("Layers") or ()),
            Platform(value.get("Os", ""), value.get("Architecture", "")),
        )

    def used(self) -> frozenset[Digest]:
        containers = self._api().get("/containers/json", {"all": "true"})
        live = (item for item in containers or () if item.get("State") not in ENDED)
        # A container without an image (an infrastructure container) has no id here.
        return frozenset(_digest(item["ImageID"]) for item in live if item.get("ImageID"))

    def remove(self, name: str) -> None:
        answer = self._api().request("DELETE", f"/images/{_path(name)}")
        if answer.status == 409:
            raise ConflictError(f"{name} is used by a container: {answer.message}")
        if answer.status not in (200, 404):
            raise EngineError(f"podman does not remove {name}: {answer.message}")

    def close(self) -> None:
        """Ends the connections, and the service if it was started here."""
        if self._made is not None:
            self._made.close()
        if self._service is not None:
            self._service.terminate()
            try:
                self._service.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                self._service.kill()
                self._service.wait()
            self._service = None
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def _api(self) -> Api:
        if self._made is None:
            self._made = _api(self._start())
        return self._made

    def _start(self) -> Endpoint:
        """Starts a service on a socket of its own."""
        program = shutil.which("podman")
        if program is None:
            raise EngineError(
                "no podman is there; looked for CONTAINER_HOST (not set), podman/podman.sock below "
                "$XDG_RUNTIME_DIR and /run, and podman on PATH",
                fix=_START,
            )
        self._directory = tempfile.TemporaryDirectory(prefix="lading-")
        socket, log = (Path(self._directory.name, name) for name in ("podman.sock", "log"))
        with log.open("wb") as output:
            self._service = subprocess.Popen(
                [*tied("TERM"), program, "system", "service", "--time=0", f"unix://{socket}"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Set and empty, it makes podman a client, which knows no services.
                env={key: text for key, text in os.environ.items() if key != "CONTAINER_HOST"},
            )
        deadline = time.monotonic() + _PATIENCE
        while not socket.exists():
            if self._service.poll() is not None or time.monotonic() > deadline:
                said = log.read_text(errors="replace").strip().splitlines()
                self.close()
                raise EngineError(
                    f"podman's service does not start: {said[-1] if said else 'it says nothing'}",
                    fix="podman info shows whether podman works on this machine",
                )
            time.sleep(0.02)
        return endpoints.parse(f"unix://{socket}", f"{program} system service")

    def id_of(self, image: Image) -> Digest:
        return image.config.digest

    def send(self, content: Content, image: Image, progress: Progress, sent: Sent) -> None:
        files = tarball.docker_members(image, frozenset())
        body = sending.body(files, content, progress, sent)
        doing = "while an image was loaded"
        for message in self._api().upload("/images/load", body, {}, doing=doing):
            if message.get("cause") or message.get("error"):
                raise EngineError(f"podman refused the image: {message}", fix="nothing was named")

    def tag(self, image_id: Digest, name: str) -> None:
        repository, tag = split(name)
        params = {"repo": repository, "tag": tag}
        answer = self._api().request("POST", f"/images/{image_id.hex}/tag", params)
        if answer.status != 201:
            raise EngineError(f"podman does not name the image {name}: {answer.message}")


def _api(endpoint: Endpoint) -> Api:
    api = Api(endpoint, "podman service", start=_START)
    api.prefix = _API
    return api


def _path(name: str) -> str:
    """A name in a URL. Podman wants ids bare, and reads a name's slashes as they are."""
    return quote(name.removeprefix("sha256:"), safe=":/")


def _digest(image_id: Any) -> Digest:
    return Digest.parse(f"sha256:{image_id}")
