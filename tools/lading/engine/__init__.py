"""Container engines on this machine, one module each, behind one protocol (`engine.Engine`)."""

__all__ = ["ENGINES"]

ENGINES = ("docker", "podman", "containerd")
