"""BuildKit, of a Docker daemon or at an address of its own, driven by `docker-buildx`.

Where the builder can write an OCI archive, bases are lent to it as layouts and the archive is the
result. A Docker daemon that keeps images in a graph driver can do neither: bases are loaded under
names that nobody else uses, the result is saved from there, and the names are taken away.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lading.builder import running, scratch
from lading.builder.failure import failure
from lading.builder.process import run
from lading.builder.rawjson import RawJson
from lading.builder.request import BuildRequest, OnEvent
from lading.engine import loading
from lading.engine.docker import Docker
from lading.engine.endpoint import Endpoint, docker_endpoint
from lading.errors import EngineError, InputError, LadingError
from lading.oci.platform import Platform
from lading.store.layout_directory import Layout

__all__ = ["Buildkit", "DockerBuildkit"]

#: First Docker API whose BuildKit knows named contexts (Engine 23.0).
_NAMED_CONTEXTS = (1, 42)
#: A host that no resolver knows (RFC 6761): what is not here is not looked for elsewhere.
_NOWHERE = "lading.invalid"


class Buildkit:
    """A `buildkitd` at an address.

    Args:
        buildx: the program `docker-buildx`.
        address: `tcp://host:port` or `unix:///path`.
        certificates: directory with `ca.pem`, `cert.pem` and `key.pem`, for TLS.
    """

    name = "buildkit"

    def __init__(self, buildx: str, address: str, certificates: Path | None = None) -> None:
        if not address.startswith(("tcp://", "unix://")):
            raise InputError(
                f"{address!r:.120} is no address of a buildkitd",
                fix="use tcp://host:port or unix:///path/to/socket",
            )
        self._buildx, self._address, self._certificates = buildx, address, certificates

    def platform(self) -> Platform | None:
        """Not known: the machine behind the address may be any."""
        return None

    def build(self, request: BuildRequest, output: Path, on_event: OnEvent) -> None:
        """See `Builder.build`."""
        with scratch.scratch() as directory:
            env = _environment(directory, request)
            options = []
            if self._certificates:
                for key, file in (("cacert", "ca"), ("cert", "cert"), ("key", "key")):
                    options.append(f"--driver-opt={key}={self._certificates}/{file}.pem")
            words: list[str] = []
            create = [self._buildx, "create", "--name=lading", "--driver=remote", *options]
            if run([*create, self._address], env=env, on_line=words.append):
                raise EngineError(
                    f"buildx cannot use {self._address}: {' '.join(' '.join(words).split()):.400}"
                )
            where = f"buildkitd at {self._address}"
            command = [self._buildx, "build", "--builder=lading"]
            _Build(command, where, request, directory, env, on_event).to_archive(output)


class DockerBuildkit:
    """The BuildKit in a Docker daemon.

    Args:
        buildx: the program `docker-buildx`.
        endpoint: where the daemon answers; found as docker finds it when left out.
    """

    name = "docker"

    def __init__(self, buildx: str, endpoint: Endpoint | None = None) -> None:
        self._buildx = buildx
        self._endpoint = endpoint or docker_endpoint()

    def platform(self) -> Platform | None:
        """That of the daemon; None when it does not answer."""
        docker = Docker(self._endpoint)
        try:
            return docker.platform()
        except LadingError:
            return None
        finally:
            docker.close()

    def build(self, request: BuildRequest, output: Path, on_event: OnEvent) -> None:
        """See `Builder.build`."""
        docker = Docker(self._endpoint)
        where = f"Docker at {self._endpoint.url}"
        try:
            if request.bases and docker.api_version() < _NAMED_CONTEXTS:
                raise EngineError(
                    f"{where} is too old to build FROM an image that it is given",
                    fix="use Docker 23.0 or later, or --builder=buildah",
                )
            with scratch.scratch() as directory:
                env = _environment(directory, request)
                env["DOCKER_HOST"] = self._endpoint.url
                if self._endpoint.certificates:
                    env["DOCKER_TLS_VERIFY"] = "1"
                    env["DOCKER_CERT_PATH"] = self._endpoint.certificates
                command = [self._buildx, "build", "--builder=default"]
                made = _Build(command, where, request, directory, env, on_event)
                if docker.in_containerd():
                    made.to_archive(output)
                else:
                    made.to_daemon(docker, output)
        finally:
            docker.close()


def _environment(directory: Path, request: BuildRequest) -> dict[str, str]:
    """The whole environment of buildx: nothing of the user's, except logins where it may pull."""
    for name in ("docker", "buildx"):
        (directory / name).mkdir(mode=0o700)
    if request.logs_in:
        scratch.login(directory / "docker", os.environ)
    passed = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "TMPDIR")
    return {
        **{name: os.environ[name] for name in passed if name in os.environ},
        "HOME": str(directory),
        "DOCKER_CONFIG": str(directory / "docker"),
        "BUILDX_CONFIG": str(directory / "buildx"),
        # No colours and no second progress in what is parsed.
        "NO_COLOR": "1",
    }


@dataclass(frozen=True, slots=True)
class _Build:
    """One build by buildx.

    `command` names the builder to buildx, `where` to people. `directory` is the build's own, and
    `env` the whole environment, to which secrets are added.
    """

    command: Sequence[str]
    where: str
    request: BuildRequest
    directory: Path
    env: dict[str, str]
    on_event: OnEvent

    def to_archive(self, output: Path) -> None:
        """A build whose result is written as an OCI archive."""
        flags = self._flags()
        for name, path in scratch.base_links(self.request, self.directory).items():
            root = scratch.root_of(path).digest
            flags.append(f"--build-context={name}=oci-layout://{path}@{root}")
        archive = self.directory / "image.tar"
        self._run([*flags, f"--output=type=oci,dest={archive},rewrite-timestamp=true"])
        scratch.move(archive, output)

    def to_daemon(self, docker: Docker, output: Path) -> None:
        """A build whose result is an image of the daemon, until it is saved from there."""
        request = self.request
        if request.pull and request.allow and request.bases:
            raise EngineError(
                f"{self.where} cannot ask for images anew beside bases that it is given",
                fix="leave pull out, or use a Docker that keeps images in containerd,"
                " or a buildkitd",
            )
        unique = f"{_NOWHERE}/{secrets.token_hex(8)}"
        flags = self._flags()
        taken = request.parse(request.text()).external(request.target)
        targets = {reference.name for reference in taken if not reference.runs_here}
        with contextlib.ExitStack() as stack:
            for number, (name, path) in enumerate(sorted(request.bases.items())):
                lent = f"{unique}/base{number}:now"
                stack.enter_context(_forgotten(docker, lent))
                content = Layout(path, follow_links=True)
                platform = request.platform if name in targets else docker.platform()
                loading.load(docker, content, scratch.root_of(path), [lent], platform=platform)
                flags.append(f"--build-context={name}=docker-image://{lent}")
            result = f"{unique}/result:now"
            stack.enter_context(_forgotten(docker, result))
            self._run([*flags, "--output=type=docker", f"--tag={result}"])
            archive = self.directory / "image.tar"
            docker.save(result, archive)
            scratch.move(archive, output)

    def _flags(self) -> list[str]:
        """What both ways have in common."""
        request = self.request
        flags = [
            "--progress=rawjson",
            "--provenance=false",
            "--sbom=false",
            f"--file={request.file}",
            f"--network={request.network}",
            "--build-arg=SOURCE_DATE_EPOCH=0",
            *(f"--build-arg={name}={value}" for name, value in sorted(request.build_args.items())),
            *(f"--label={name}={value}" for name, value in sorted(request.labels.items())),
            *scratch.secret_flags(request, self.env),
            *running.run_flags(request),
            *running.cache_flags(request),
        ]
        if request.target:
            flags.append(f"--target={request.target}")
        if request.platform:
            flags.append(f"--platform={request.platform}")
        if request.no_cache:
            flags.append("--no-cache")
        if request.pull and request.allow:
            flags.append("--pull")
        return flags

    def _run(self, flags: Sequence[str]) -> None:
        progress = RawJson()

        def on_line(line: str) -> None:
            for event in progress.feed(line):
                self.on_event(event)

        command = [*self.command, *flags, str(self.request.context.resolve())]
        code = run(command, env=self.env, on_line=on_line, timeout=self.request.timeout)
        if code:
            raise failure(
                self.where,
                progress.message() or f"buildx ended with {code}",
                line=progress.line,
                status=progress.status,
                step=bool(progress.error) and "Unavailable" not in progress.error,
                output=progress.output,
            )


@contextlib.contextmanager
def _forgotten(docker: Docker, name: str) -> Iterator[None]:
    """Takes a name away from the daemon afterwards, and what only that name kept."""
    try:
        yield
    finally:
        with contextlib.suppress(LadingError):
            docker.remove(name)
