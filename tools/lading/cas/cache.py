"""A remote cache as a place that content comes from: ByteStream.Read of the Remote Execution API.

A read that breaks off goes on at the byte it reached. gRPC is imported when a cache is first
asked, so that a push that needs none does not pay for it.
"""

from __future__ import annotations

import io
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from lading.cas import wire
from lading.cas.address import Address
from lading.errors import DeniedError, InputError, NotFoundError, UnreachableError
from lading.oci.descriptor import Descriptor

if TYPE_CHECKING:
    import grpc

__all__ = ["CacheLimits", "Call", "RemoteCache"]

#: Bytes of one message; servers send 64 KiB to 4 MiB.
_MAX_MESSAGE = 64 * 1024 * 1024
_USER_AGENT = "lading"


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """Bounds in seconds and number.

    Attributes:
        call: the longest that one call streams before another goes on where it stopped; one in
            which nothing at all arrives counts as a failure.
        attempts: calls without a single new byte before a read is given up.
        silences: of these, those that may end because nothing came in all of `call`.
        first_wait: the pause before the second attempt; it doubles from there.
    """

    call: float = 60
    attempts: int = 5
    silences: int = 3
    first_wait: float = 0.25


class Call(Protocol):
    """One call under way: messages as they arrive."""

    def __iter__(self) -> Iterator[bytes]: ...

    def cancel(self) -> bool: ...


class RemoteCache:
    """Streams blobs from a remote cache. Safe to share between threads.

    Args:
        address: where it is.
        instance: the instance name, as in Bazel's `--remote_instance_name`.
        headers: gives the metadata to send with every call, such as an authorization; asked once,
            before the first.
        ca_file: PEM file with the authorities to trust, for `grpcs`; empty for the usual ones.
        limits: bounds.
        sleep: waits between attempts; tests replace it.
    """

    def __init__(
        self,
        address: Address,
        *,
        instance: str = "",
        headers: Callable[[], Sequence[tuple[str, str]]] = tuple,
        ca_file: str = "",
        limits: CacheLimits | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.address = address
        self.limits = limits or CacheLimits()
        self.sleep = sleep
        self._prefix = f"{instance}/" if instance else ""
        self._find_headers = headers
        self._headers: tuple[tuple[str, str], ...] = ()
        self._ca_file = ca_file
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        # What goes wrong is said by whoever reads, once, and not by gRPC as well; it looks here
        # when it is imported.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """Starts a download.

        Raises:
            NotFoundError: the cache does not have it, or has only digests of another kind.
            UnreachableError: it does not answer.
            DeniedError: it refuses.
        """
        reader = _Reader(self, descriptor)
        reader.start()
        return cast("BinaryIO", reader)

    def path(self, descriptor: Descriptor) -> Path | None:
        """There is no file."""
        return None

    def call(self, descriptor: Descriptor, offset: int) -> Call:
        """Begins one call; it yields messages for `wire.response_data`."""
        digest = descriptor.digest
        # Only functions of REAPI 2.0 leave their name out of the resource's.
        kind = "" if digest.algorithm == "sha256" else f"{digest.algorithm}/"
        resource = f"{self._prefix}blobs/{kind}{digest.hex}/{descriptor.size}"
        method: grpc.UnaryStreamMultiCallable[bytes, bytes] = self._open_channel().unary_stream(
            wire.READ, request_serializer=None, response_deserializer=None
        )
        return method(
            wire.read_request(resource, offset), timeout=self.limits.call, metadata=self._headers
        )

    def close(self) -> None:
        """Ends the connection."""
        with self._lock:
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _open_channel(self) -> grpc.Channel:
        with self._lock:
            if self._channel is None:
                import grpc

                options = [
                    ("grpc.max_receive_message_length", _MAX_MESSAGE),
                    ("grpc.primary_user_agent", _USER_AGENT),
                    # Left alone, it asks the proxy for this machine as well.
                    ("grpc.enable_http_proxy", int(not self.address.is_loopback)),
                ]
                self._headers = tuple(self._find_headers())
                if self.address.encrypted:
                    self._channel = grpc.secure_channel(
                        self.address.target, self._credentials(), options
                    )
                else:
                    self._channel = grpc.insecure_channel(self.address.target, options)
            return self._channel

    def _credentials(self) -> grpc.ChannelCredentials:
        import ssl

        import grpc

        # gRPC brings roots of its own; the machine's are what its user has set up.
        roots = self._ca_file or ssl.get_default_verify_paths().cafile
        try:
            found = Path(roots).read_bytes() if roots else None
        except OSError as error:
            raise InputError(f"{roots} cannot be read: {error.strerror}") from None
        return grpc.ssl_channel_credentials(found)


class _Reader(io.RawIOBase):
    def __init__(self, cache: RemoteCache, descriptor: Descriptor) -> None:
        self._cache = cache
        self._descriptor = descriptor
        self._call: Call | None = None
        self._buffer = memoryview(b"")
        #: Bytes that arrived, whether handed out or not.
        self._arrived = 0
        self._failures = self._silences = 0
        #: Whether the call that is under way has brought anything.
        self._progress = False

    def readable(self) -> bool:
        return True

    def start(self) -> None:
        """Waits for the first bytes, so that a missing blob shows before the first read."""
        if self._descriptor.size:
            self._buffer = memoryview(self._next())

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        parts: list[memoryview] = []
        while size:
            if not self._buffer:
                if parts and self._arrived == self._descriptor.size:
                    break
                data = self._next()
                if not data:
                    break
                self._buffer = memoryview(data)
            part = self._buffer[:size]
            self._buffer = self._buffer[len(part) :]
            size -= len(part)
            parts.append(part)
        return b"".join(parts)

    def close(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None
        super().close()

    def _next(self) -> bytes:
        """The next bytes that arrive, over as many calls as it takes; empty at the end."""
        import grpc

        while True:
            try:
                if self._call is None:
                    if self._arrived >= self._descriptor.size:
                        return b""
                    self._progress = False
                    self._call = self._cache.call(self._descriptor, self._arrived)
                for message in self._call:
                    if data := wire.response_data(message):
                        self._arrived += len(data)
                        self._progress = True
                        return data
                self._call = None
                # Whoever checks the digest says what is wrong with a stream that ends early.
                return b""
            except grpc.RpcError as error:
                self._call = None
                self._judge(error)

    def _judge(self, error: grpc.RpcError) -> None:
        """Waits before another attempt, or raises."""
        import grpc

        code, what = error.code(), f"the remote cache {self._cache.address}"
        digest = self._descriptor.digest
        if code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.OUT_OF_RANGE):
            raise NotFoundError(f"{what} does not have {digest}") from None
        if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
            raise DeniedError(
                f"{what} refuses to give {digest}: {_word(code)}",
                fix="give a credential helper, --credential_helper=PROGRAM",
            ) from None
        if code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED):
            raise NotFoundError(f"{what} cannot be asked for {digest}: {_word(code)}") from None
        limits = self._cache.limits
        silent = code is grpc.StatusCode.DEADLINE_EXCEEDED and not self._progress
        self._failures = 1 if self._progress else self._failures + 1
        self._silences = 0 if self._progress else self._silences + silent
        if self._failures >= limits.attempts or self._silences >= limits.silences:
            detail = (error.details() or "").partition("\n")[0]
            raise UnreachableError(
                f"{what} fails while {digest} is read: {_word(code)}: {detail:.160}",
                fix="name another with --remote_cache, or use the strategy eager",
            ) from None
        if not self._progress:
            pause = limits.first_wait * 2 ** (self._failures - 1)
            self._cache.sleep(pause * (0.5 + random.random() / 2))  # noqa: S311


def _word(code: grpc.StatusCode) -> str:
    return str(code.value[1])
