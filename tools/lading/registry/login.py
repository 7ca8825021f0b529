"""Logging in: a secret is tried at the registry, then kept where other tools look for it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from lading.errors import DeniedError, InputError, cannot_write
from lading.http.messages import Request
from lading.registry import answers, credentials, helpers
from lading.registry.access import Access
from lading.registry.credentials import Credential
from lading.registry.session import Session

__all__ = ["check", "store"]


def check(session: Session, registry: str) -> bool:
    """Whether the registry lets the session's login in; False if it wants none at all.

    Raises DeniedError when it refuses, UnreachableError when it does not answer.
    """
    origin = session.origin(registry)
    access = Access(registry, origin, "", ())
    response = session.send(access, Request("GET", origin, "/v2/"), doing=f"log in to {registry}")
    asked = "Authorization" in response.request.headers
    response.close()
    if response.status == 401:
        raise DeniedError(f"{registry} refuses this login", fix="check user name and password")
    if response.status != 200:
        raise answers.failure(response, f"log in to {registry}", registry=registry)
    return asked


def store(registry: str, credential: Credential) -> str:
    """Keeps a login as docker would: with its helper, or in its configuration file.

    Returns where it is now. Only the user may read the file.

    Raises:
        InputError, CorruptError: the file cannot be understood, or the helper fails.
        StorageError: the file cannot be written.
    """
    # A configuration that is kept elsewhere and linked to stays there.
    path = Path(os.path.realpath(next(iter(credentials.files(os.environ)))))
    config = credentials.read(path) or {}
    auths = credentials.section(config, "auths", path)
    own = credentials.section(config, "credHelpers", path)
    helper = own.get(registry, config.get("credsStore"))
    if isinstance(helper, str) and helper:
        _to_helper(helper, registry, credential)
        # How docker knows that the helper has one.
        config["auths"] = {registry: {}, **auths}
        _write(path, config)
        return f"{helpers.PREFIX}{helper}"
    pair = f"{credential.username}:{credential.password}".encode()
    config["auths"] = {**auths, registry: {"auth": base64.b64encode(pair).decode()}}
    _write(path, config)
    return str(path)


def _to_helper(helper: str, registry: str, credential: Credential) -> None:
    value = {
        "ServerURL": registry,
        "Username": credential.username,
        "Secret": credential.password,
    }
    program = f"{helpers.PREFIX}{helper}"
    try:
        done = subprocess.run(
            [program, "store"],
            input=json.dumps(value).encode(),
            capture_output=True,
            timeout=60,
            check=False,
        )
    except OSError as error:
        raise InputError(f"{program} cannot be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise InputError(f"{program} did not answer within 60 s") from None
    if done.returncode:
        raise InputError(f"{program} cannot keep the login: exit code {done.returncode}")


def _write(path: Path, config: dict[str, Any]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                json.dump(config, file, indent="\t")
                file.flush()
                os.fsync(number)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise cannot_write(path, error) from None
