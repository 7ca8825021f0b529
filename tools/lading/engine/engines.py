"""The engine that a name stands for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

from lading.engine import ENGINES
from lading.engine.engine import Engine
from lading.errors import UsageError

__all__ = ["ENGINES", "connect", "present"]


def connect(name: str, *, host: str = "") -> Engine:
    """The engine called `name`; only its own module is imported, and nothing is asked of it yet.

    Args:
        name: one of ENGINES.
        host: its address; when empty, it is found the way the engine's own client finds it.

    Raises UsageError for an unknown name, and what finding the address raises.
    """
    if name == "docker":
        from lading.engine import endpoint
        from lading.engine.docker import Docker

        return Docker(endpoint.docker_endpoint(host))
    if name == "podman":
        from lading.engine import podman

        return podman.Podman(podman.podman_endpoint(host))
    if name == "containerd":
        from lading.engine.containerd import Containerd

        return Containerd(host)
    raise UsageError(f"there is no engine {name!r}", fix=f"choose one of {', '.join(ENGINES)}")


def present(name: str, environ: Mapping[str, str] | None = None) -> bool:
    """Whether the user has an engine on this machine, running or not, that may use images.

    Docker: where its client finds it. Podman: an address, a service, or images of its own.
    containerd: a socket that the user may use, and `ctr` to speak to it.

    Raises what finding the address raises: an engine that is set up wrongly is one all the same.
    """
    env = os.environ if environ is None else environ
    if name == "docker":
        from lading.engine import endpoint

        found = endpoint.docker_endpoint(environ=env)
        return not found.socket or os.path.exists(found.socket)
    if name == "podman":
        from lading.engine import podman

        if podman.podman_endpoint(environ=env) is not None:
            return True
        data = env.get("XDG_DATA_HOME") or os.path.join(env.get("HOME", "/"), ".local", "share")
        root = "/var/lib" if os.geteuid() == 0 else data
        images = os.path.isdir(os.path.join(root, "containers", "storage"))
        configured = bool(env.get("CONTAINERS_STORAGE_CONF"))
        return (images or configured) and shutil.which("podman", path=env.get("PATH")) is not None
    from lading.engine.containerd import Containerd

    socket = Containerd(environ=env).socket
    asked = "CONTAINERD_ADDRESS" in env or "CONTAINERD_NAMESPACE" in env
    usable = os.access(socket, os.R_OK | os.W_OK)
    return asked or (usable and shutil.which("ctr", path=env.get("PATH")) is not None)
