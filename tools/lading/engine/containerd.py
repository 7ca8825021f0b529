"""containerd through its own command line, `ctr`.

containerd keeps an image's name as it is given and its manifest's digest as its id. Names are
per namespace: Kubernetes looks in `k8s.io`, nerdctl in `default` (`$CONTAINERD_NAMESPACE`).
"""

from __future__ import annotations

import os
import platform as machine
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from lading.engine import sending
from lading.engine.engine import EngineImage, Progress, Sent
from lading.errors import ConflictError, EngineError, InputError
from lading.oci import content as contents
from lading.oci import document, media_types
from lading.oci.content import Content
from lading.oci.digest import Digest
from lading.oci.platform import MACHINES, Platform
from lading.store import tarball
from lading.store.image import Image

__all__ = ["Containerd"]

_DEFAULT_SOCKET = "/run/containerd/containerd.sock"
#: What an image is called between its import and its naming.
_IMPORT = "lading-import"
#: Seconds for one small question.
_ANSWER = 60.0


class Containerd:
    """containerd at `socket`. Nothing is asked of it before the first call."""

    name = "containerd"

    def __init__(self, host: str = "", environ: Mapping[str, str] | None = None) -> None:
        env = os.environ if environ is None else environ
        address = host or env.get("CONTAINERD_ADDRESS") or _DEFAULT_SOCKET
        parts = urlsplit(address)
        if parts.scheme not in ("", "unix") or not parts.path.startswith("/"):
            raise InputError(
                f"{address!r:.120} is no socket of containerd", fix="write unix:///path or /path"
            )
        self.socket = parts.path
        self._namespace = env.get("CONTAINERD_NAMESPACE") or "default"

    def platform(self) -> Platform:
        # containerd listens on a local socket only, so it runs on this machine.
        cpu = machine.machine()
        return Platform("linux", MACHINES.get(cpu, cpu))

    def find(self, name: str) -> EngineImage | None:
        key = "target.digest" if name.startswith("sha256:") else "name"
        rows = self._table("images", "ls", f"{key}=={name}")
        if not rows:
            return None
        kind, digest = rows[0][1], Digest.parse(rows[0][2])
        if kind in media_types.INDEX_TYPES:
            return EngineImage(digest, tuple(row[0] for row in rows), (), Platform("", ""))
        manifest = self._run("content", "get", str(digest))
        config = contents.children(kind, manifest, what=f"the manifest {digest}")[0]
        value = document.loads_object(
            self._run("content", "get", str(config.digest)), what=f"the config {config.digest}"
        )
        diff_ids = (value.get("rootfs") or {}).get("diff_ids") or ()
        return EngineImage(
            digest,
            tuple(row[0] for row in rows if not row[0].startswith(_IMPORT)),
            tuple(Digest.parse(item) for item in diff_ids),
            Platform.from_json(value),
        )

    def used(self) -> frozenset[Digest]:
        # Of Kubernetes and nerdctl too: an image may have been loaded for any of them.
        namespaces = self._run("namespaces", "ls", "-q").decode().split()
        return frozenset().union(*(self._used_in(namespace) for namespace in namespaces))

    def _used_in(self, namespace: str) -> frozenset[Digest]:
        names = {row[1] for row in self._table("containers", "ls", namespace=namespace)}
        images = self._table("images", "ls", namespace=namespace)
        return frozenset(Digest.parse(row[2]) for row in images if row[0] in names)

    def remove(self, name: str) -> None:
        found = self.find(name)
        if found is None:
            return
        if found.id in self._used_in(self._namespace):
            raise ConflictError(f"{name} is used by a container")
        self._run("images", "rm", name)

    def close(self) -> None:
        """Has nothing to end."""

    def id_of(self, image: Image) -> Digest:
        return image.manifest.digest

    def send(self, content: Content, image: Image, progress: Progress, sent: Sent) -> None:
        """Streams a layout without the blobs that are there; `ctr` checks and unpacks it."""
        listed = self._run("content", "ls", "-q").decode().split()
        present = {Digest.parse(line) for line in listed}
        files = [
            file
            for file in tarball.members(image, [])
            if file.source is None or file.source.digest not in present
        ]
        self._import(sending.body(files, content, progress, sent))

    def tag(self, image_id: Digest, name: str) -> None:
        names = [row[0] for row in self._table("images", "ls", f"target.digest=={image_id}")]
        if not names:
            raise EngineError(f"containerd has no image {image_id} any more")
        self._run("images", "tag", "--force", names[0], name)
        for other in names:
            if other.startswith(_IMPORT):
                self._run("images", "rm", other)

    def _import(self, body: Iterator[bytes]) -> None:
        command = self._command("images", "import", "--digests", f"--base-name={_IMPORT}", "-")
        # What it says goes to a file: a pipe that nobody reads meanwhile would stop it.
        with (
            tempfile.TemporaryFile() as said,
            subprocess.Popen(
                command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
            ) as process,
        ):
            assert process.stdin is not None
            try:
                for block in body:
                    view = memoryview(block)
                    while view:
                        view = view[process.stdin.write(view) :]
            except BrokenPipeError:
                pass  # it says why on stderr
            except BaseException:
                process.kill()
                raise
            process.stdin.close()
            if process.wait() != 0:
                said.seek(0)
                raise self._failed("refused the image", said.read())

    def _table(self, *arguments: str, namespace: str = "") -> list[list[str]]:
        """The rows of a listing below its heading, in words."""
        lines = self._run(*arguments, namespace=namespace).decode().splitlines()[1:]
        return [line.split() for line in lines]

    def _run(self, *arguments: str, namespace: str = "") -> bytes:
        try:
            done = subprocess.run(
                self._command(*arguments, namespace=namespace),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_ANSWER,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise EngineError(f"containerd at {self.socket} does not answer") from None
        if done.returncode != 0:
            raise self._failed(f"failed: ctr {' '.join(arguments)}", done.stderr)
        return done.stdout

    def _command(self, *arguments: str, namespace: str = "") -> list[str]:
        if not os.path.exists(self.socket):  # ctr would try for ten seconds
            raise EngineError(
                f"there is no containerd at {self.socket}",
                fix="start it, or name its socket with --host or CONTAINERD_ADDRESS",
            )
        program = shutil.which("ctr")
        if program is None:
            raise EngineError(
                "there is no `ctr` on PATH to speak to containerd with",
                fix="it is part of containerd; or load with --daemon=docker or podman",
            )
        where = ["--address", self.socket, "--namespace", namespace or self._namespace]
        return [program, *where, *arguments]

    def _failed(self, doing: str, said: bytes) -> EngineError:
        lines = said.decode("utf-8", "replace").strip().splitlines()
        reason = lines[-1].removeprefix("ctr: ") if lines else "it says nothing"
        return EngineError(
            f"containerd at {self.socket} {doing}: {reason[:400]}",
            fix="is it running, and may you use its socket? CONTAINERD_ADDRESS names another",
        )
