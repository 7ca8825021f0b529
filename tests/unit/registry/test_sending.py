"""Bodies on the wire: the same bytes by sendfile, from where a file is mapped and from a stream."""

from __future__ import annotations

import contextlib
import errno
import io
import mmap
import os
import random
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lading.errors import CorruptError
from lading.http import sending
from lading.http.bodies import FileBody, StreamBody
from lading.http.limits import Limits
from lading.http.origin import Nearness

DATA = random.Random(7).randbytes(3_000_001)
Body = Callable[[int, int], FileBody | StreamBody]


@pytest.fixture
def advanced() -> list[int]:
    """What was told to have left, in order."""
    return []


@pytest.fixture
def whole(tmp_path: Path, advanced: list[int]) -> FileBody:
    """All of DATA, from a file."""
    path = tmp_path / "data"
    path.write_bytes(DATA)
    return FileBody(path, 0, len(DATA), advanced.append)


@pytest.fixture(params=["sendfile", "mapped", "stream"])
def body(
    request: pytest.FixtureRequest,
    whole: FileBody,
    monkeypatch: pytest.MonkeyPatch,
    advanced: list[int],
) -> Iterator[Body]:
    """Makes a body of a part of DATA; to a peer that is not on this machine, by sendfile."""
    used: list[str] = []
    sendfile = os.sendfile

    def count(*arguments: int) -> int:
        used.append("sendfile")
        return sendfile(*arguments)

    monkeypatch.setattr(os, "sendfile", count)
    if request.param == "sendfile":
        monkeypatch.setattr(sending, "nearness", lambda address: Nearness.PUBLIC)

    def make(offset: int, size: int) -> FileBody | StreamBody:
        if request.param == "stream":
            return StreamBody(io.BytesIO(DATA[offset:]), size, advanced.append)
        return FileBody(whole.path, offset, size, advanced.append)

    yield make
    assert bool(used) == (request.param == "sendfile")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a TCP connection on loopback, with buffers far smaller than the data."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        near = socket.create_connection(listener.getsockname())
        near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        far, _ = listener.accept()
    with near, far:
        yield near, far


def _receive(far: socket.socket, size: int, into: bytearray) -> threading.Thread:
    def run() -> None:
        # The test may end, and close the connection, first.
        with contextlib.suppress(OSError):
            receive()

    def receive() -> None:
        while len(into) < size and (data := far.recv(65536)):
            into.extend(data)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("offset", "size"), [(0, len(DATA)), (0, 1), (1_000_003, 1_500_000), (len(DATA) - 1, 1)]
)
def test_exactly_the_part_arrives(
    pair: tuple[socket.socket, socket.socket],
    body: Body,
    advanced: list[int],
    offset: int,
    size: int,
) -> None:
    near, far = pair
    received = bytearray()
    thread = _receive(far, size, received)
    assert sending.send_body(near, body(offset, size), Limits())
    thread.join(10)
    assert received == DATA[offset : offset + size]
    assert sum(advanced) == size


def test_source_that_ends_early_is_corrupt(
    pair: tuple[socket.socket, socket.socket], body: Body
) -> None:
    near, far = pair
    _receive(far, len(DATA) + 1, bytearray())
    with pytest.raises(CorruptError):
        sending.send_body(near, body(0, len(DATA) + 1), Limits())


def test_peer_that_answers_early_stops_the_body(
    pair: tuple[socket.socket, socket.socket], body: Body, advanced: list[int]
) -> None:
    near, far = pair

    def answer() -> None:
        far.recv(100_000, socket.MSG_WAITALL)
        far.sendall(b"HTTP/1.1 413 no")
        while far.recv(65536):
            pass

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    complete = sending.send_body(near, body(0, len(DATA)), Limits())
    near.shutdown(socket.SHUT_WR)
    thread.join(10)
    # The whole of it may have left before the answer was there to be seen.
    assert complete == (sum(advanced) == len(DATA))


def test_peer_that_answers_and_reads_no_more_is_heard_soon(
    pair: tuple[socket.socket, socket.socket], whole: FileBody, advanced: list[int]
) -> None:
    near, far = pair
    threading.Timer(0.2, far.sendall, [b"HTTP/1.1 413 no"]).start()
    assert not sending.send_body(near, whole, Limits(idle=9))
    assert 0 < sum(advanced) < len(DATA)


def test_file_that_becomes_shorter_while_it_is_sent_is_corrupt(
    pair: tuple[socket.socket, socket.socket], whole: FileBody, advanced: list[int]
) -> None:
    near, far = pair

    def shorten() -> None:
        os.truncate(whole.path, 1000)
        _receive(far, len(DATA), bytearray())

    threading.Timer(0.2, shorten).start()
    with pytest.raises(CorruptError, match="shorter"):
        sending.send_body(near, whole, Limits())
    assert 0 < sum(advanced) < len(DATA)


def test_file_that_cannot_be_mapped_is_sent(
    pair: tuple[socket.socket, socket.socket],
    whole: FileBody,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """mmap(2), ENODEV: not every file system has it."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))

    monkeypatch.setattr(mmap, "mmap", refuse)
    near, far = pair
    received = bytearray()
    thread = _receive(far, len(DATA), received)
    assert sending.send_body(near, whole, Limits())
    thread.join(10)
    assert received == DATA


@pytest.mark.parametrize("times", [1, 3])
def test_interim_answers_do_not_stop_the_body(
    pair: tuple[socket.socket, socket.socket], body: Body, times: int
) -> None:
    """RFC 9110, section 15.2: a client reads any number of them, asked for or not."""
    near, far = pair
    received = bytearray()

    def answer() -> None:
        for _ in range(times):
            received.extend(far.recv(100_000, socket.MSG_WAITALL))
            far.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nX: y\r\n\r\n")
        while len(received) < len(DATA) and (data := far.recv(65536)):
            received.extend(data)
        far.sendall(b"HTTP/1.1 201 Created\r\n\r\n")

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    assert sending.send_body(near, body(0, len(DATA)), Limits())
    thread.join(10)
    assert received == DATA
    assert near.recv(1000).endswith(b"HTTP/1.1 201 Created\r\n\r\n")


def test_what_left_before_a_break_is_known(
    pair: tuple[socket.socket, socket.socket], body: Body, advanced: list[int]
) -> None:
    near, far = pair

    def hang_up() -> None:
        far.recv(300_000, socket.MSG_WAITALL)
        far.close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    # It shows as an error, or as something to read, depending on who is faster.
    complete = False
    with contextlib.suppress(ConnectionError):
        complete = sending.send_body(near, body(0, len(DATA)), Limits())
    thread.join(10)
    assert not complete
    assert 300_000 <= sum(advanced) < len(DATA)


def test_peer_that_takes_nothing_is_given_up(
    pair: tuple[socket.socket, socket.socket], body: Body
) -> None:
    near, _ = pair
    near.settimeout(0.2)
    with pytest.raises(TimeoutError):
        sending.send_body(near, body(0, len(DATA)), Limits(idle=0.2))
