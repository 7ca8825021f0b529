"""A BuildKit at an address of its own, for tests.

Debian has no package of buildkitd. A Docker daemon that keeps images in containerd has the same
BuildKit with all of its exporters, and gives its gRPC to whoever asks for `POST /grpc` to become
h2c. This passes connections of a TCP port on to that, with TLS in front where it is asked for: the
client speaks to a real BuildKit over the network, without Docker's API.
"""

from __future__ import annotations

import contextlib
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator

__all__ = ["remote_buildkit"]

_UPGRADE = b"POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"


@contextlib.contextmanager
def remote_buildkit(docker_socket: str, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Yields the `tcp://` address of the BuildKit in the daemon at a UNIX socket."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as daemon:
                client = tls.wrap_socket(self.request, server_side=True) if tls else self.request
                daemon.connect(docker_socket)
                daemon.sendall(_UPGRADE)
                answer = b""
                while not answer.endswith(b"\r\n\r\n"):
                    answer += daemon.recv(1) or b"\r\n\r\n"
                if answer.startswith(b"HTTP/1.1 101 "):
                    _pass_on(client, daemon)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"tcp://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def _pass_on(client: socket.socket, daemon: socket.socket) -> None:
    """Hands bytes to the other side, both ways, until one of them ends."""
    while True:
        decrypted = isinstance(client, ssl.SSLSocket) and client.pending()
        ready = [client] if decrypted else select.select([client, daemon], [], [])[0]
        for source in ready:
            block = source.recv(65536)
            if not block:
                return
            (daemon if source is client else client).sendall(block)
