"""Credential helpers: programs `docker-credential-NAME` that keep secrets for others."""

from __future__ import annotations

import re

from lading.errors import CorruptError, InputError
from lading.oci import document

__all__ = ["PREFIX", "TOKEN_USER", "get"]

PREFIX = "docker-credential-"
#: The user name that marks a secret as an identity token.
TOKEN_USER = "<token>"  # noqa: S105
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_TIMEOUT = 60
_MAX = 1024 * 1024


def get(helper: str, server: str) -> tuple[str, str] | None:
    """Asks a helper for the user name and secret of `server`; None if it has none.

    The server's name goes in by stdin, the secret comes back by stdout; what the helper prints
    is never repeated, since it may contain the secret. Raises InputError if it is not installed,
    fails or answers nonsense.
    """
    if not _NAME.fullmatch(helper):
        raise InputError(f"{helper!r:.80} is not the name of a credential helper")
    import subprocess  # not by every push that needs no helper

    program = PREFIX + helper
    try:
        result = subprocess.run(
            [program, "get"],
            input=server.encode(),
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except FileNotFoundError:
        raise InputError(
            f"the credential helper {program} is not installed",
            fix="install it, or remove it from the container configuration",
        ) from None
    except OSError as error:
        raise InputError(f"{program} cannot be run: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise InputError(f"{program} did not answer within {_TIMEOUT} s") from None
    if result.returncode != 0:
        if b"credentials not found" in (result.stdout + result.stderr).lower():
            return None
        raise InputError(
            f"{program} failed for {server} with exit code {result.returncode}",
            fix=f"try it: echo {server} | {program} get",
        )
    try:
        answer = document.loads_object(result.stdout, what=f"the answer of {program}", limit=_MAX)
    except CorruptError:
        raise InputError(f"{program} answered something that is not JSON") from None
    username, secret = answer.get("Username", ""), answer.get("Secret", "")
    if not isinstance(username, str) or not isinstance(secret, str):
        raise InputError(f"{program} answered without a user name and a secret")
    return (username, secret) if username or secret else None
