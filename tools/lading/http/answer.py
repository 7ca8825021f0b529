"""An answer as `http.client` reads it: the final one, its every wait bounded."""

from __future__ import annotations

import http.client
import socket

from lading.http.pace import Pace, PacedSocket

__all__ = ["paced_answer"]


class _Answer(http.client.HTTPResponse):
    """The answer after any number of interim ones, of which `http.client` knows 100 alone.

    One taken for the final answer would leave the final one to whoever asks next.
    """

    def _read_status(self) -> tuple[str, int, str]:
        version, status, phrase = super()._read_status()  # type: ignore[misc]
        if status == http.HTTPStatus.SWITCHING_PROTOCOLS:
            raise http.client.UnknownProtocol("101")
        interim = 100 <= status < 200
        return version, int(http.HTTPStatus.CONTINUE) if interim else status, phrase


def paced_answer(
    pace: Pace, sock: socket.socket, *, method: str | None = None
) -> http.client.HTTPResponse:
    """Stands in for `http.client.HTTPResponse` as the class of a connection's answers."""
    return _Answer(PacedSocket(sock, pace), method=method)  # type: ignore[arg-type]
