"""Bazel's credential helpers: headers for a URI, from a program that keeps the secret.

https://github.com/EngFlow/credential-helper-spec: `HELPER get`, a JSON object with `uri` on stdin,
one with `headers` on stdout.
"""

from __future__ import annotations

import json
import re
import subprocess

from lading.errors import CorruptError, InputError
from lading.oci import document

__all__ = ["get"]

_TIMEOUT = 60
_MAX = 1024 * 1024
#: What HTTP and gRPC carry alike.
_HEADER = re.compile(r"[-._0-9A-Za-z]+: [\x20-\x7e]*")


def get(helper: str, uri: str) -> tuple[tuple[str, str], ...]:
    """The headers that `helper`, a program's name or path, gives for `uri`.

    What it prints is never repeated, since it may hold the secret. Raises InputError if it is
    not there, fails or answers nonsense.
    """
    try:
        result = subprocess.run(
            [helper, "get"],
            input=json.dumps({"uri": uri}).encode(),
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except OSError as error:
        raise InputError(
            f"the credential helper {helper} cannot be run: {error.strerror}",
            fix="name a program on PATH or by its absolute path",
        ) from None
    except subprocess.TimeoutExpired:
        raise InputError(f"{helper} did not answer within {_TIMEOUT} s") from None
    if result.returncode != 0:
        raise InputError(
            f"the credential helper {helper} failed with exit code {result.returncode}",
            fix=f'try it: echo \'{{"uri": "{uri}"}}\' | {helper} get',
        )
    try:
        answer = document.loads_object(result.stdout, what=f"the answer of {helper}", limit=_MAX)
    except CorruptError:
        raise InputError(f"{helper} answered something that is not JSON") from None
    headers = answer.get("headers") or {}
    if not isinstance(headers, dict):
        raise InputError(f"{helper} answered headers that are no object")
    found = []
    for name, values in headers.items():
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise InputError(f"{helper} answered headers that are no lists of strings")
        if not all(_HEADER.fullmatch(f"{name}: {value}") for value in values):
            # Without the value: a token pasted with its line's end, for example.
            raise InputError(
                f"{helper} answered a header with a character that headers cannot carry",
                fix="a token may not end with its line's end",
            )
        # Metadata keys of gRPC are lower case.
        found += [(name.lower(), value) for value in values]
    return tuple(found)
