"""The builder of this machine, or the one that was asked for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from lading.builder.request import Builder
from lading.engine.endpoint import Endpoint, docker_directory, docker_endpoint, parse
from lading.errors import EngineError, LadingError, UsageError

__all__ = ["BUILDERS", "find"]

BUILDERS = ("auto", "docker", "buildkit", "buildah")

#: Where packages and Docker's applications put the plugins of docker, besides the user's own.
_PLUGINS = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)


def find(
    name: str = "auto",
    *,
    address: str = "",
    certificates: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Builder:
    """The builder called `name`.

    Args:
        name: one of BUILDERS; `auto` is a Docker daemon whose socket is there, else buildah.
        address: of a Docker daemon or a buildkitd; without one, Docker's is found as docker finds
            it, and buildkitd's is `$BUILDKIT_HOST`.
        certificates: directory with `ca.pem`, `cert.pem` and `key.pem`, for TLS to a buildkitd.
        environ: the environment, `os.environ` when left out.

    Raises:
        EngineError: it is not there; says what was looked for.
        UsageError: an unknown name, or an address without a name.
    """
    env = os.environ if environ is None else environ
    if name not in BUILDERS:
        raise UsageError(
            f"there is no builder {name!r:.40}", fix=f"choose one of {', '.join(BUILDERS)}"
        )
    if address and name not in ("docker", "buildkit"):
        raise UsageError(
            f"{address:.120} may be a Docker daemon or a buildkitd",
            fix="say which: builder=docker or builder=buildkit",
        )
    looked: list[str] = []
    if name in ("auto", "docker") and (found := _docker(address, env, looked, name == "docker")):
        return found
    if name == "buildkit" and (found := _buildkit(address, certificates, env, looked)):
        return found
    if name in ("auto", "buildah") and (found := _buildah(env, looked)):
        return found
    wanted = "a builder" if name == "auto" else f"the builder {name}"
    raise EngineError(
        f"{wanted} is not there; looked for {'; '.join(looked)}",
        fix="install docker-buildx with a Docker daemon, or buildah; or name another builder",
    )


def _docker(address: str, env: Mapping[str, str], looked: list[str], asked: bool) -> Builder | None:
    from lading.builder.buildkit import DockerBuildkit

    endpoint = parse(address, "builder_address") if address else docker_endpoint(environ=env)
    buildx = _buildx(env, looked)
    there = not endpoint.socket or os.path.exists(endpoint.socket)
    if not there:
        looked.append(f"a Docker daemon at {endpoint.url} (from {endpoint.origin})")
    if asked:
        return DockerBuildkit(buildx, endpoint) if buildx and there else None
    # Without being asked for, a daemon at another machine is not taken: it is another's builder.
    if buildx and there and endpoint.socket and _answers(endpoint, looked):
        return DockerBuildkit(buildx, endpoint)
    return None


def _answers(endpoint: Endpoint, looked: list[str]) -> bool:
    """Whether a daemon is behind the socket: a machine may have one that nobody started."""
    from lading.engine.docker import Docker

    docker = Docker(endpoint)
    try:
        docker.api_version()
    except LadingError as error:
        looked.append(error.what)
        return False
    finally:
        docker.close()
    return True


def _buildkit(
    address: str, certificates: Path | None, env: Mapping[str, str], looked: list[str]
) -> Builder | None:
    from lading.builder.buildkit import Buildkit

    address = address or env.get("BUILDKIT_HOST", "")
    if not address:
        looked.append("an address of a buildkitd (none given, BUILDKIT_HOST not set)")
    buildx = _buildx(env, looked)
    return Buildkit(buildx, address, certificates) if address and buildx else None


def _buildah(env: Mapping[str, str], looked: list[str]) -> Builder | None:
    from lading.builder.buildah import Buildah

    found = {name: shutil.which(name, path=_path(env)) for name in ("buildah", "unshare")}
    looked += [f"{name} on PATH" for name, path in found.items() if not path]
    if found["buildah"] and found["unshare"]:
        return Buildah(found["buildah"], found["unshare"])
    return None


def _buildx(env: Mapping[str, str], looked: list[str]) -> str:
    """The program docker-buildx: on PATH, or where docker looks for its plugins; empty for none."""
    for candidate in _buildx_places(env):
        if candidate and os.access(candidate, os.X_OK):
            return candidate
    looked.append(f"docker-buildx on PATH, in ~/.docker/cli-plugins and in {', '.join(_PLUGINS)}")
    return ""


def _buildx_places(env: Mapping[str, str]) -> Iterator[str]:
    yield shutil.which("docker-buildx", path=_path(env)) or ""
    for directory in (docker_directory(env) / "cli-plugins", *_PLUGINS):
        yield os.path.join(directory, "docker-buildx")


def _path(env: Mapping[str, str]) -> str:
    """PATH with the directories of daemons' programs, which Bazel's strict one leaves out."""
    return os.pathsep.join([env.get("PATH", os.defpath), "/usr/local/bin", "/usr/sbin", "/sbin"])
