"""Bazel's cache over HTTP as a place that content comes from: `GET /cas/<sha256>`.

https://bazel.build/remote/caching#http-caching. A read that breaks off goes on at the byte it
reached where the server knows ranges. Whoever reads checks the digest.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from lading.cas.address import Address
from lading.errors import DeniedError, NotFoundError, UnreachableError
from lading.http import redirects
from lading.http.download import Download
from lading.http.limits import Limits
from lading.http.messages import Request, Response, TransportError
from lading.http.origin import Origin
from lading.http.retry import RETRY_STATUSES, Attempts, Budget
from lading.http.transport import Transport
from lading.oci.descriptor import Descriptor

__all__ = ["HttpCache"]


class HttpCache:
    """Streams blobs from a cache. Safe to share between threads.

    Args:
        address: where it is.
        headers: gives the headers to send to it, such as an authorization; asked once, before the
            first request. Another server, where a redirect leads, does not see them.
        ca_file: PEM file with authorities to trust in addition.
        limits: bounds in time and number.
        sleep: waits between attempts; tests replace it.
        notice: is told what is waited for, when that takes long.
    """

    def __init__(
        self,
        address: Address,
        *,
        headers: Callable[[], Sequence[tuple[str, str]]] = tuple,
        ca_file: str = "",
        limits: Limits | None = None,
        sleep: Callable[[float], None] = time.sleep,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        self.address = address
        self._origin, self._prefix = Origin.split(f"{address}/cas/")
        self._limits = limits or Limits()
        self._budget = Budget(self._limits, sleep, notice)
        self._transport = Transport(
            self._limits, user_agent="lading", ca_file=ca_file, notice=notice
        )
        self._find_headers = headers
        self._headers: Mapping[str, str] | None = None
        self._lock = threading.Lock()

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """Starts a download.

        Raises:
            NotFoundError: the cache does not have it, or has only digests of another kind.
            UnreachableError: it does not answer.
            DeniedError: it refuses.
        """
        digest = descriptor.digest
        if digest.algorithm != "sha256":
            raise NotFoundError(f"the remote cache {self.address} cannot be asked for {digest}")
        download = Download(
            lambda headers: self._get(descriptor, headers),
            descriptor.size,
            what=f"{digest} of the remote cache {self.address}",
            doing=f"read {digest} from the remote cache {self.address}",
            attempts=Attempts(self._budget),
        )
        download.start()
        return cast("BinaryIO", download)

    def path(self, descriptor: Descriptor) -> Path | None:
        """There is no file."""
        return None

    def close(self) -> None:
        """Closes kept connections."""
        self._transport.close()

    def _get(self, descriptor: Descriptor, headers: Mapping[str, str]) -> Response:
        digest, what = descriptor.digest, f"the remote cache {self.address}"
        request = Request(
            "GET", self._origin, self._prefix + digest.hex, {**self._own_headers(), **headers}
        )
        attempts = Attempts(self._budget)
        while True:
            try:
                response = self._follow(request)
            except TransportError as error:
                trouble = f"{what} fails while {digest} is read: {error}"
                if error.stale or attempts.again(trouble, silent=error.silent):
                    continue
                raise UnreachableError(
                    trouble,
                    fix="name another with --remote_cache, or use the strategy eager",
                ) from None
            status = response.status
            if status in (200, 206, 416):
                return response
            response.close()
            trouble = f"{what} answers {status} when it is asked for {digest}"
            if status in RETRY_STATUSES and attempts.again(trouble, answer=response):
                continue
            if status in (401, 403):
                raise DeniedError(
                    f"{what} refuses to give {digest}: {status}",
                    fix="give a credential helper, --credential_helper=PROGRAM",
                )
            if status in (404, 410):
                raise NotFoundError(f"{what} does not have {digest}")
            raise UnreachableError(trouble)

    def _follow(self, request: Request) -> Response:
        response = self._transport.send(request)
        for _ in range(self._limits.redirects):
            if response.status not in redirects.REDIRECTS:
                break
            response.close()
            request = redirects.follow(request, response)
            response = self._transport.send(request)
        return response

    def _own_headers(self) -> Mapping[str, str]:
        with self._lock:
            if self._headers is None:
                self._headers = dict(self._find_headers())
            return self._headers
