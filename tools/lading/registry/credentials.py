"""Who we are to a registry: the files and helpers that other tools log in to.

Searched in this order, the first that knows the registry counts:

1. `$REGISTRY_AUTH_FILE`
2. `$DOCKER_CONFIG/config.json`, or `~/.docker/config.json` if that is not set
3. `$XDG_RUNTIME_DIR/containers/auth.json`
4. `${XDG_CONFIG_HOME:-~/.config}/containers/auth.json`

Within a file: a helper for the registry (`credHelpers`), an entry of `auths` (the longest one
that is a prefix of `registry/repository`), the default helper (`credsStore`). An empty name among
`credHelpers` means, as for docker, that the registry's login is in the file and with no helper.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lading.errors import InputError
from lading.oci import document
from lading.registry import helpers

__all__ = ["Credential", "Credentials", "anonymous", "files", "find", "read", "section"]


@dataclass(frozen=True, slots=True)
class Credential:
    """A user name and password, an identity token (for the token server), or a registry token.

    `source` names where it was found, for messages. Secrets never show in a representation.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    source: str = ""

    @property
    def basic(self) -> str:
        """The value of a Basic Authorization header."""
        pair = f"{self.username}:{self.password}".encode()
        return "Basic " + base64.b64encode(pair).decode()


#: Finds the credential for a registry and one of its repositories.
Credentials = Callable[[str, str], Credential | None]


def anonymous(registry: str, repository: str) -> Credential | None:
    """Knows nobody."""
    return None


def find(registry: str, repository: str) -> Credential | None:
    """The user's credential for `registry/repository`, or None.

    Raises InputError for a file that cannot be understood or a helper that fails.
    """
    for path in files(os.environ):
        config = read(path)
        if config is not None and (found := _search(config, path, registry, repository)):
            return found
    return None


def files(environ: Mapping[str, str]) -> Iterator[Path]:
    """The files that are searched, in order; not all of them exist."""
    home = Path(environ.get("HOME") or os.path.expanduser("~"))
    if given := environ.get("REGISTRY_AUTH_FILE"):
        yield Path(given)
    docker = environ.get("DOCKER_CONFIG")
    yield (Path(docker) if docker else home / ".docker") / "config.json"
    if runtime := environ.get("XDG_RUNTIME_DIR"):
        yield Path(runtime) / "containers" / "auth.json"
    config = environ.get("XDG_CONFIG_HOME")
    yield (Path(config) if config else home / ".config") / "containers" / "auth.json"


def read(path: Path) -> dict[str, Any] | None:
    """A configuration file's object; None where there is none. Raises InputError, CorruptError."""
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    return document.loads_object(data, what=str(path)) if data.strip() else None


def _search(
    config: Mapping[str, Any], path: Path, registry: str, repository: str
) -> Credential | None:
    per_registry = section(config, "credHelpers", path)
    helped = list(_keys(per_registry, registry, repository))
    for key in helped:
        if per_registry[key] != "" and (found := _ask(per_registry[key], key, path)) is not None:
            return found
    auths = section(config, "auths", path)
    keys = list(_keys(auths, registry, repository))
    for key in keys:
        if (found := _decode(auths[key], key, path)) is not None:
            return found
    if any(per_registry[key] == "" for key in helped):
        return None
    if default := config.get("credsStore"):
        # The helper knows a registry by the name it was logged in with, which `auths` lists.
        for key in [*keys, registry]:
            if (found := _ask(default, key, path)) is not None:
                return found
    return None


def section(config: Mapping[str, Any], name: str, path: Path) -> Mapping[str, Any]:
    """One of its objects, empty where there is none; raises InputError for anything else."""
    value = config.get(name) or {}
    if not isinstance(value, dict):
        raise InputError(f"{path}: {name} is not an object")
    return value


def _keys(section: Mapping[str, Any], registry: str, repository: str) -> Iterator[str]:
    """The section's keys that stand for `registry/repository`, the most particular first."""
    wanted = f"{registry}/{repository}".lower()
    matching = [
        (len(name), key)
        for key in section
        for name in _names(key)
        if wanted == name or wanted.startswith(f"{name}/")
    ]
    for _, key in sorted(matching, reverse=True):
        yield key


def _names(key: str) -> list[str]:
    """What a key stands for: `host[:port][/path]`, or the URL that Docker once used."""
    name = re.sub(r"^https?://", "", key.strip().lower())
    legacy = re.sub(r"/v[12]/?$", "", name)
    if legacy != name:
        # https://index.DOMAIN/v1/ means DOMAIN, whatever its servers are called.
        domain = legacy.removeprefix("index.")
        return [legacy] if domain == legacy else [legacy, domain, f"registry-1.{domain}"]
    return [name.rstrip("/")]


def _decode(entry: Any, key: str, path: Path) -> Credential | None:
    if not isinstance(entry, dict):
        raise InputError(f"{path}: the entry for {key!r:.120} is not an object")
    texts = {
        name: entry.get(name) or ""
        for name in ("auth", "username", "password", "identitytoken", "registrytoken")
    }
    if not all(isinstance(text, str) for text in texts.values()):
        raise InputError(f"{path}: the entry for {key!r:.120} has a field that is no string")
    username, password = texts["username"], texts["password"]
    if texts["auth"]:
        try:
            pair = base64.b64decode(texts["auth"], validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise InputError(
                f"{path}: `auth` of {key!r:.120} is not base64 of user:password",
                fix="log in again",
            ) from None
        username, _, password = pair.partition(":")
        # Docker pads the pair with NUL bytes on some platforms.
        password = password.strip("\0")
    if not (username or texts["identitytoken"] or texts["registrytoken"]):
        return None
    if username == helpers.TOKEN_USER:
        return Credential(identity_token=texts["identitytoken"] or password, source=str(path))
    return Credential(
        username, password, texts["identitytoken"], texts["registrytoken"], source=str(path)
    )


def _ask(helper: Any, key: str, path: Path) -> Credential | None:
    if not isinstance(helper, str):
        raise InputError(f"{path}: the helper for {key!r:.120} is not a name")
    found = helpers.get(helper, key)
    if found is None:
        return None
    username, secret = found
    source = f"{helpers.PREFIX}{helper}"
    if username == helpers.TOKEN_USER:
        return Credential(identity_token=secret, source=source)
    return Credential(username, secret, source=source)
