"""A remote cache for Bazel: `buildbox-casd`, with what Bazel 7 needs to talk to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from tests.integration.harness import programs, servers

__all__ = ["Casd", "remote_cache"]

_CAPABILITIES = "/build.bazel.remote.execution.v2.Capabilities/GetCapabilities"
#: ServerCapabilities.low_api_version: 2.0. Appended to a message, it replaces what is there.
_VERSION_2_0 = b"\x22\x04\x08\x02\x10\x00"


@dataclass(frozen=True)
class Casd:
    """A running cache.

    Attributes:
        address: of casd itself, `grpc://host:port`.
        bazel_address: the same for Bazel.
        directory: where it keeps blobs.
    """

    address: str
    bazel_address: str
    directory: Path

    def blob(self, digest: str) -> Path:
        """The file that holds the content of `digest` (`sha256:…`)."""
        name = digest.partition(":")[2]
        return self.directory / "cas" / "objects" / name[:2] / name[2:]


@contextlib.contextmanager
def remote_cache(directory: Path) -> Iterator[Casd]:
    """Runs a cache with its data in `directory`, on loopback."""
    programs.need("buildbox-casd")
    port = servers.free_port()
    data = directory / "casd"
    command = ["buildbox-casd", "--bind", f"127.0.0.1:{port}", str(data)]
    with servers.start(command, directory / "casd.log") as running:
        channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        servers.wait_until(
            lambda: running.poll() is None and _connects(channel), what="an answer of casd"
        )
        with channel, _pass_through(channel) as host:
            yield Casd(f"grpc://127.0.0.1:{port}", f"grpc://{host}", data)


@contextlib.contextmanager
def _pass_through(channel: grpc.Channel) -> Iterator[str]:
    """Hands every call on to casd; all that changes is the version that it says it speaks.

    casd says that it serves clients of version 2.1 and later; Bazel 7 says that it is one of 2.0
    and turns away, though all that it calls is there.
    """
    with ThreadPoolExecutor(64) as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers((_PassThrough(channel),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(1).wait()


class _PassThrough(grpc.GenericRpcHandler):
    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, bytes]:
        method = handler_call_details.method
        target: grpc.StreamStreamMultiCallable[bytes, bytes]
        target = self._channel.stream_stream(method, None, None)

        def forward(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            call: Any = target(requests)
            try:
                for message in call:
                    yield message + (_VERSION_2_0 if method == _CAPABILITIES else b"")
            except grpc.RpcError:
                context.abort(call.code(), call.details())

        # On the wire a single message is a stream of one, so this stands for every kind of call.
        return grpc.stream_stream_rpc_method_handler(forward, None, None)


def _connects(channel: grpc.Channel) -> bool:
    try:
        grpc.channel_ready_future(channel).result(timeout=1)
    except grpc.FutureTimeoutError:
        return False
    return True
