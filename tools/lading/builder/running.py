"""How instructions run, and what a builder remembers: checked here, said alike to every builder."""

from __future__ import annotations

import ipaddress
import re

from lading.builder.request import BuildRequest
from lading.errors import UsageError

__all__ = ["cache_flags", "check", "run_flags"]

_ENTITLEMENTS = ("network.host", "security.insecure")
_CACHES = ("inline", "local", "registry")
#: setrlimit(2), as container engines call them.
_ULIMITS = frozenset({
    "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc",
    "rss", "rtprio", "rttime", "sigpending", "stack",
})  # fmt: skip
_ULIMIT = re.compile(r"(-1|[0-9]{1,19})(?::(-1|[0-9]{1,19}))?")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?")


def check(request: BuildRequest) -> None:
    """Raises UsageError for a value that no builder takes, or that would hold a password."""
    for name, value in request.ulimits.items():
        match = _ULIMIT.fullmatch(value)
        if name not in _ULIMITS:
            raise UsageError(
                f"there is no limit {name!r:.40}", fix=f"there are {', '.join(sorted(_ULIMITS))}"
            )
        soft, hard = match.groups() if match else ("", "")
        if match is None or _above(soft, hard):
            raise UsageError(
                f"the limit {name} is {value!r:.40}", fix="write SOFT or SOFT:HARD; -1 is no limit"
            )
    for host, address in request.extra_hosts.items():
        if not _HOST.fullmatch(host):
            raise UsageError(f"{host!r:.80} is no name of a host")
        if address != "host-gateway":
            try:
                ipaddress.ip_address(address)
            except ValueError:
                raise UsageError(
                    f"the host {host} has the address {address!r:.80}",
                    fix="write an IP address, or host-gateway",
                ) from None
    for name in sorted(request.entitlements - set(_ENTITLEMENTS)):
        raise UsageError(
            f"there is no entitlement {name!r:.80}", fix=f"there are {', '.join(_ENTITLEMENTS)}"
        )
    for text in request.cache_from:
        _check_cache(text, "cache_from", "src")
    for text in request.cache_to:
        _check_cache(text, "cache_to", "dest")


def _above(soft: str, hard: str | None) -> bool:
    if not hard or hard == "-1":
        return False
    return soft == "-1" or int(soft) > int(hard)


def _check_cache(text: str, what: str, directory: str) -> None:
    fields = dict(field.partition("=")[::2] for field in text.split(","))
    # A name alone is that of an image in a registry.
    kind = fields.get("type", "" if "=" in text else "registry")
    if kind not in _CACHES:
        raise UsageError(
            f"{what}={text:.120} has no type that is known here",
            fix="use type=registry,ref=NAME, type=local,src=/directory (dest= to write) or inline",
        )
    if kind == "local" and not fields.get(directory, "").startswith("/"):
        raise UsageError(
            f"{what}={text:.120} names no directory", fix=f"add {directory}=/absolute/directory"
        )
    if kind == "registry" and "=" in text and not fields.get("ref"):
        raise UsageError(f"{what}={text:.120} names no image", fix="add ref=NAME, as in a registry")


def run_flags(request: BuildRequest) -> list[str]:
    """Flags that buildx and buildah have alike."""
    flags = [f"--ulimit={name}={value}" for name, value in sorted(request.ulimits.items())]
    flags += [f"--add-host={host}:{ip}" for host, ip in sorted(request.extra_hosts.items())]
    if request.shm_size:
        flags.append(f"--shm-size={request.shm_size}")
    return flags


def cache_flags(request: BuildRequest) -> list[str]:
    """Flags of buildx: what is remembered elsewhere, and who may do more."""
    flags = [f"--cache-from={text}" for text in request.cache_from]
    flags += [f"--cache-to={text}" for text in request.cache_to]
    allowed = request.entitlements | ({"network.host"} if request.network == "host" else set())
    return flags + [f"--allow={name}" for name in sorted(allowed)]
