"""Where a Docker daemon answers, found the way the docker command line finds it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lading.errors import InputError, NotFoundError

__all__ = ["SYSTEM_SOCKET", "Endpoint", "docker_directory", "docker_endpoint", "parse"]

#: Where a daemon for the whole machine listens.
SYSTEM_SOCKET = "/var/run/docker.sock"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A daemon's address: a unix socket, or a host and port with or without TLS.

    `origin` says what named it; `looked` is what was tried before, for the message when
    nothing answers.
    """

    url: str
    origin: str
    socket: str = ""
    base_url: str = ""
    certificates: str = ""
    looked: tuple[str, ...] = ()


def docker_endpoint(host: str = "", environ: Mapping[str, str] | None = None) -> Endpoint:
    """The endpoint from `host`, `$DOCKER_HOST`, the context, or a socket in the usual places.

    Args:
        host: an explicit address, `unix://` or `tcp://`.
        environ: the environment, `os.environ` when left out.

    Raises:
        InputError: an address that is not understood.
        NotFoundError: a context that does not exist.
    """
    env = os.environ if environ is None else environ
    certificates = ""
    if env.get("DOCKER_TLS_VERIFY"):
        certificates = env.get("DOCKER_CERT_PATH") or str(docker_directory(env))
    if host:
        return parse(host, "the --host flag", certificates=certificates)
    if env.get("DOCKER_HOST"):
        return parse(env["DOCKER_HOST"], "DOCKER_HOST", certificates=certificates)
    name = env.get("DOCKER_CONTEXT") or _current_context(env)
    if name and name != "default":
        return parse(_context_host(name, env), f"the docker context {name!r}")
    looked = ["DOCKER_HOST (not set)", "a docker context (none)"]
    sockets = [SYSTEM_SOCKET]
    if env.get("XDG_RUNTIME_DIR"):
        sockets.append(os.path.join(env["XDG_RUNTIME_DIR"], "docker.sock"))
    if env.get("HOME"):
        sockets.append(os.path.join(env["HOME"], ".docker", "run", "docker.sock"))
    chosen = next((path for path in sockets if os.path.exists(path)), sockets[0])
    return parse(f"unix://{chosen}", "the usual socket", looked=(*looked, *sockets))


def parse(
    url: str, origin: str, *, certificates: str = "", looked: tuple[str, ...] = ()
) -> Endpoint:
    """Reads a daemon's address; raises InputError for a scheme that is not supported."""
    parts = urlsplit(url)
    if parts.scheme == "unix" and parts.path.startswith("/"):
        return Endpoint(url, origin, parts.path, "http://localhost", looked=looked)
    if parts.scheme in ("tcp", "http", "https") and parts.netloc:
        secure = bool(certificates) or parts.scheme == "https"
        base = f"{'https' if secure else 'http'}://{parts.netloc}"
        return Endpoint(url, origin, "", base, certificates, looked)
    raise InputError(
        f"{origin} names {url!r:.120}, which is no address of a daemon that lading can reach",
        fix="use unix:///path/to/socket or tcp://host:port; forward the socket of an ssh:// one",
    )


def docker_directory(env: Mapping[str, str]) -> Path:
    """Where the docker command line has its configuration, contexts and plugins."""
    return Path(env.get("DOCKER_CONFIG") or Path(env.get("HOME", "/"), ".docker"))


def _current_context(env: Mapping[str, str]) -> str:
    try:
        value = json.loads((docker_directory(env) / "config.json").read_bytes())
    except (OSError, ValueError):
        return ""  # docker itself goes on without a configuration
    name = value.get("currentContext") if isinstance(value, dict) else None
    return name if isinstance(name, str) else ""


def _context_host(name: str, env: Mapping[str, str]) -> str:
    """The address in a context's metadata file, which is named by the hash of its name."""
    directory = docker_directory(env) / "contexts" / "meta"
    path = directory / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
    try:
        host = json.loads(path.read_bytes())["Endpoints"]["docker"]["Host"]
    except FileNotFoundError:
        raise NotFoundError(
            f"there is no docker context {name!r}", fix="list them: docker context ls"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotFoundError(f"{path}, the docker context {name!r}, is unusable: {error}") from None
    return str(host)
