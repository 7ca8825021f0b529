"""A BuildKit at an address of its own, for tests.

Debian has no package of buildkitd. A Docker daemon that keeps images in containerd has the same
BuildKit with all of its exporters, and gives its gRPC to whoever asks for `POST /grpc` to become
h2c. This passes connections of a TCP port on to that: the client speaks to a real BuildKit over
the network, without Docker's API.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator

__all__ = ["remote_buildkit"]

_UPGRADE = b"POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"


@contextlib.contextmanager
def remote_buildkit(docker_socket: str) -> Iterator[str]:
    """Yields the `tcp://` address of the BuildKit in the daemon at a UNIX socket."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as daemon:
                daemon.connect(docker_socket)
                daemon.sendall(_UPGRADE)
                answer = b""
                while not answer.endswith(b"\r\n\r\n"):
                    byte = daemon.recv(1)
                    if not byte:
                        return
                    answer += byte
                if not answer.startswith(b"HTTP/1.1 101 "):
                    return
                up = threading.Thread(target=_copy, args=(self.request, daemon), daemon=True)
                up.start()
                _copy(daemon, self.request)
                up.join(5)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"tcp://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
