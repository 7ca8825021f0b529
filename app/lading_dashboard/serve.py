"""Listening: the socket, the address that is printed, the server."""

from __future__ import annotations

import errno
import socket
import sys
from pathlib import Path

import uvicorn

from lading.errors import ConflictError, DeniedError, InputError, LadingError
from lading_dashboard.application import create_app
from lading_dashboard.settings import ANY_HOST, Settings

__all__ = ["listen", "serve", "url_of"]


def serve(settings: Settings) -> None:
    """Answers requests until the process is told to stop.

    Raises LadingError when it cannot listen.
    """
    with listen(settings.host, settings.port) as sock:
        config = uvicorn.Config(
            create_app(settings),
            access_log=False,
            h11_max_incomplete_event_size=16 * 1024,
            http="h11",
            lifespan="off",
            limit_concurrency=256,
            log_level="warning",
            loop="asyncio",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=3,
            ws="none",
        )
        print(_greeting(settings, sock), flush=True)
        if ANY_HOST in settings.allowed_hosts:
            print(
                "lading_dashboard: it answers to every host name, so a web page may read it "
                "through DNS rebinding",
                file=sys.stderr,
            )
        uvicorn.Server(config).run(sockets=[sock])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises ConflictError, DeniedError or InputError."""
    try:
        family, *_, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=128)
    except socket.gaierror:
        raise InputError(
            f"{host!r:.120} is not an address of this machine",
            fix="give --host=127.0.0.1, or 0.0.0.0 to be reached from elsewhere",
        ) from None
    except OSError as error:
        raise _explained(error, host, port) from None


def url_of(sock: socket.socket) -> str:
    """Where a browser on this machine finds what listens on `sock`."""
    host, port = sock.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared with, not bound
        host = "localhost"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _greeting(settings: Settings, sock: socket.socket) -> str:
    places = ", ".join(_place(place) for place in settings.places)
    return f"lading dashboard: {url_of(sock)}\n  shows {places}; Ctrl-C stops it"


def _place(place: Path) -> str:
    return str(place) if place.exists() else f"{place} (does not exist yet)"


def _explained(error: OSError, host: str, port: int) -> LadingError:
    if error.errno == errno.EADDRINUSE:
        return ConflictError(
            f"port {port} of {host} is in use",
            fix="choose another with --port, or --port=0 for any free one",
        )
    if error.errno == errno.EACCES:
        return DeniedError(
            f"port {port} may not be used by this user", fix="choose a port above 1023 with --port"
        )
    return InputError(f"cannot listen on {host}, port {port}: {error.strerror or error}")
