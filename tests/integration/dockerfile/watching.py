"""What tests of builders look at: processes, their command lines, and who connects."""

from __future__ import annotations

import socketserver
import threading
from pathlib import Path
from typing import BinaryIO

__all__ = ["Recorder", "opened", "sleepers", "watch_commands"]


def opened(path: Path) -> BinaryIO:
    """A file, open for reading."""
    return path.open("rb")


def sleepers(mark: str) -> list[str]:
    """The processes of this machine that run `sleep MARK`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"sleep" in words and mark.encode() in words:
            found.append(entry.parent.name)
    return found


def watch_commands(commands: list[str], stop: threading.Event) -> None:
    """Collects the command lines of all processes, as any user of the machine could."""
    while not stop.wait(0.02):
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                commands.append(entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
            except OSError:
                continue


class Recorder:
    """Something that listens where a registry would, and counts who connects."""

    def __enter__(self) -> tuple[str, list[object]]:
        connections: list[object] = []

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                connections.append(self.client_address)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"127.0.0.1:{self._server.server_address[1]}", connections

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
