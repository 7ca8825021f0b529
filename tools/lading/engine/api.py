"""HTTP to a daemon on this machine, over a unix socket or TCP, with errors for a person.

httpx speaks it: its transport takes a unix socket, it streams a request body from a generator,
and it still reads the daemon's answer when the daemon stops listening in the middle of an
upload, which is how a daemon says that its disk is full.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from lading.engine.endpoint import Endpoint
from lading.errors import EngineError, LadingError, NotFoundError, cannot_write

__all__ = ["Answer", "Api", "Params"]

#: Seconds to wait for a connection, and for an answer to a small request.
_CONNECT, _ANSWER = 5.0, 60.0
#: Seconds without any sign of life in the middle of a load or build before giving up. The
#: daemon is silent while it unpacks one layer, on slow disks for minutes.
_SILENCE = 900.0
#: Bytes written at once.
_BLOCK = 1024 * 1024
#: Most of an error's body that is shown, in bytes.
_ERROR_BYTES = 64 * 1024

Params = Mapping[str, str]


class Answer:
    """A status and the JSON value that came with it."""

    def __init__(self, status: int, value: Any) -> None:
        self.status, self.value = status, value

    @property
    def message(self) -> str:
        """The daemon's own words."""
        value = self.value
        if isinstance(value, dict):
            # Docker says `message`; podman adds `cause`, which is the shorter half.
            value = value.get("message") or value.get("cause") or value
        return " ".join(str(value).split())[:500]


class Api:
    """A daemon at an endpoint; `what` names it in messages (`Docker daemon`)."""

    def __init__(self, endpoint: Endpoint, what: str, *, start: str) -> None:
        self.endpoint, self.what, self._start = endpoint, what, start
        self.prefix = ""
        transport = httpx.HTTPTransport(
            uds=endpoint.socket or None, verify=_tls(endpoint), trust_env=False
        )
        timeout = httpx.Timeout(_ANSWER, connect=_CONNECT)
        self._client = httpx.Client(
            base_url=endpoint.base_url, transport=transport, timeout=timeout, trust_env=False
        )

    def request(self, method: str, path: str, params: Params | None = None) -> Answer:
        """One small request; any status is an answer. Raises EngineError when none comes."""
        try:
            response = self._client.request(method, self.prefix + path, params=params)
        except httpx.HTTPError as error:
            raise self.gone(error, f"{method} {path}") from None
        return Answer(response.status_code, _value(response.content))

    def get(self, path: str, params: Params | None = None) -> Any:
        """The value at `path`; raises EngineError for any status but 200."""
        answer = self.request("GET", path, params)
        if answer.status != 200:
            raise EngineError(f"the {self.what} refused {path}: {answer.message}")
        return answer.value

    def upload(
        self, path: str, body: Iterator[bytes], params: Params, *, doing: str
    ) -> Iterator[dict[str, Any]]:
        """Posts a tar and yields the JSON messages of the answer while they come.

        An exception from `body` ends the request before its end was sent, and propagates.
        Raises EngineError for a status that is no success.
        """
        try:
            with self._client.stream(
                "POST",
                self.prefix + path,
                params=params,
                content=body,
                headers={"Content-Type": "application/x-tar"},
                timeout=httpx.Timeout(_SILENCE, connect=_CONNECT),
            ) as response:
                if response.status_code >= 300:
                    answer = Answer(response.status_code, _value(_head(response)))
                    raise EngineError(
                        f"the {self.what} failed {doing}: {answer.message}",
                        fix="nothing was named; the daemon's log says more",
                    )
                yield from _messages(response)
        except httpx.HTTPError as error:
            raise self.gone(error, doing) from None

    def download(self, path: str, target: Path, *, doing: str) -> None:
        """Writes what `path` answers to the new file `target`.

        Raises NotFoundError, StorageError, or EngineError for any other failure.
        """
        try:
            with (
                self._client.stream(
                    "GET", self.prefix + path, timeout=httpx.Timeout(_SILENCE, connect=_CONNECT)
                ) as response,
                target.open("xb") as file,
            ):
                if response.status_code != 200:
                    answer = Answer(response.status_code, _value(_head(response)))
                    kind = NotFoundError if response.status_code == 404 else EngineError
                    raise kind(f"the {self.what} failed {doing}: {answer.message}")
                for block in response.iter_bytes(_BLOCK):
                    file.write(block)
        except httpx.HTTPError as error:
            raise self.gone(error, doing) from None
        except OSError as error:
            raise cannot_write(target, error) from None

    def gone(self, error: Exception, doing: str) -> LadingError:
        """What to say when the daemon does not answer, or stopped answering."""
        reason = re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__
        if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
            looked = (
                "; looked for " + ", ".join(self.endpoint.looked) if self.endpoint.looked else ""
            )
            if "Permission denied" in reason:
                return EngineError(
                    f"access to the {self.what} at {self.endpoint.url} is denied{looked}",
                    fix="join the group that owns the socket, or name another daemon",
                )
            return EngineError(
                f"no {self.what} answers at {self.endpoint.url} (from {self.endpoint.origin}): "
                f"{reason}{looked}",
                fix=self._start,
            )
        if isinstance(error, httpx.TimeoutException):
            return EngineError(
                f"the {self.what} at {self.endpoint.url} stopped answering {doing}",
                fix="look at the daemon's log and load, then run again; nothing was named",
            )
        return EngineError(
            f"the {self.what} at {self.endpoint.url} went away {doing}: {reason}",
            fix="look at the daemon's log, then run again; nothing was named",
        )

    def close(self) -> None:
        """Closes its connections."""
        self._client.close()


def _tls(endpoint: Endpoint) -> Any:
    """What verifies the daemon: the CA and client certificate docker keeps in one directory."""
    if not endpoint.certificates:
        return True
    import os
    import ssl

    from lading.errors import InputError

    path = endpoint.certificates
    try:
        tls = ssl.create_default_context(cafile=os.path.join(path, "ca.pem"))
        tls.load_cert_chain(os.path.join(path, "cert.pem"), os.path.join(path, "key.pem"))
    except OSError as error:  # ssl.SSLError is one
        raise InputError(
            f"the certificates in {path} are unusable: {error}",
            fix="DOCKER_CERT_PATH has to hold ca.pem, cert.pem and key.pem",
        ) from None
    return tls


def _value(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")


def _head(response: httpx.Response) -> bytes:
    body = b""
    for block in response.iter_bytes():
        body += block
        if len(body) > _ERROR_BYTES:
            break
    return body[:_ERROR_BYTES]


def _messages(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The JSON objects of a stream; Docker ends each with a newline, podman not always."""
    for line in response.iter_lines():
        value = _value(line.encode()) if line.strip() else None
        if isinstance(value, dict):
            yield value
