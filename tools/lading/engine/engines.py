"""The engine that a name stands for."""

from __future__ import annotations

from lading.engine.engine import Engine
from lading.errors import UsageError

__all__ = ["ENGINES", "connect"]

ENGINES = ("docker", "podman", "containerd")


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
