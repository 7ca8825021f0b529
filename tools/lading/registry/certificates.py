"""Certificates kept for one registry, where docker, podman and skopeo look for them.

A directory `HOST` or `HOST:PORT` has authorities to trust beside those of the system (`*.crt`), and
the client certificate with its key (`NAME.cert`, `NAME.key`). Searched in this order, the first
that has a directory for the registry counts:

1. `${XDG_CONFIG_HOME:-~/.config}/containers/certs.d`
2. `${XDG_CONFIG_HOME:-~/.config}/docker/certs.d`, that of a docker without root
3. `/etc/containers/certs.d`
4. `/etc/docker/certs.d`
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from lading.errors import InputError
from lading.http.origin import Origin
from lading.http.tls import Certificates

__all__ = ["find", "places"]


def find(origin: Origin) -> Certificates | None:
    """What the user keeps for `origin`, None where there is no directory for it.

    Raises InputError for a directory that cannot be read, and for a key or client certificate
    without the other.
    """
    for place in places(os.environ):
        for name in _names(origin):
            directory = os.path.join(place, name)
            if os.path.isdir(directory):
                return _read(directory)
    return None


def places(environ: Mapping[str, str]) -> Iterator[str]:
    """The directories that have one for each registry, in order; not all of them exist."""
    home = environ.get("HOME") or os.path.expanduser("~")
    config = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    yield os.path.join(config, "containers/certs.d")
    yield os.path.join(config, "docker/certs.d")
    yield "/etc/containers/certs.d"
    yield "/etc/docker/certs.d"


def _names(origin: Origin) -> list[str]:
    """What its directory may be called: as people write the registry, the usual port or none."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return list(dict.fromkeys([origin.authority, f"{host}:{origin.port}"]))


def _read(directory: str) -> Certificates:
    try:
        names = sorted(os.listdir(directory))
    except OSError as error:
        raise InputError(f"{directory} cannot be read: {error.strerror}") from None
    authorities = [name for name in names if name.endswith(".crt")]
    pairs = [name.removesuffix(".cert") for name in names if name.endswith(".cert")]
    keys = [name.removesuffix(".key") for name in names if name.endswith(".key")]
    for stem in keys:
        if stem not in pairs:
            raise InputError(
                f"{directory}/{stem}.key has no certificate beside it", fix=f"add {stem}.cert"
            )
    for stem in pairs:
        if stem not in keys:
            raise InputError(
                f"{directory}/{stem}.cert has no key beside it",
                fix=f"add {stem}.key; if it is an authority to trust, call it {stem}.crt",
            )
    return Certificates(
        directory,
        tuple(f"{directory}/{name}" for name in authorities),
        f"{directory}/{pairs[0]}" if pairs else "",
    )
