"""Reading a mirror: whole files or an error, the next mirror where one has nothing."""

from __future__ import annotations

import base64
import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lading.debian.fetch import fetch
from lading.errors import LimitError, NotFoundError, UnreachableError


@contextmanager
def server(answer: Callable[[http.server.BaseHTTPRequestHandler, int], None]) -> Iterator[str]:
    """A mirror that answers its n-th request with `answer(handler, n)`."""
    count = iter(range(1000))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, next(count))

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}"
    finally:
        running.shutdown()
        running.server_close()
        thread.join()


def reply(
    handler: http.server.BaseHTTPRequestHandler, status: int, body: bytes, length: int
) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(length))
    handler.end_headers()
    handler.wfile.write(body)


def test_a_short_body_is_tried_again_and_then_an_error() -> None:
    with server(lambda handler, n: reply(handler, 200, b"abc", 3 if n == 2 else 9)) as url:
        assert fetch([url], "x", limit=100) == b"abc"
    with (
        server(lambda handler, _: reply(handler, 200, b"abc", 9)) as url,
        pytest.raises(UnreachableError),
    ):
        fetch([url], "x", limit=100)


def test_a_server_error_is_tried_again() -> None:
    with server(lambda handler, n: reply(handler, 503 if n < 2 else 200, b"ok", 2)) as url:
        assert fetch([url], "x", limit=100) == b"ok"


def test_a_missing_file_is_asked_for_once_and_then_from_the_next_mirror(tmp_path: Path) -> None:
    asked = []

    def answer(handler: http.server.BaseHTTPRequestHandler, n: int) -> None:
        asked.append(n)
        reply(handler, 404, b"", 0)

    (tmp_path / "x").write_bytes(b"here")
    with server(answer) as url:
        assert fetch([url, f"file://{tmp_path}"], "x", limit=100) == b"here"
        assert asked == [0]
        with pytest.raises(NotFoundError, match="/y is not there"):
            fetch([url, f"file://{tmp_path}"], "y", limit=100)


def test_a_login_goes_to_its_mirror_only_and_into_no_message() -> None:
    seen: list[tuple[str, str | None]] = []

    def other(handler: http.server.BaseHTTPRequestHandler, n: int) -> None:
        seen.append(("other", handler.headers["Authorization"]))
        reply(handler, 200, b"ok", 2)

    with server(other) as elsewhere:

        def mirror(handler: http.server.BaseHTTPRequestHandler, n: int) -> None:
            seen.append(("mirror", handler.headers["Authorization"]))
            handler.send_response(302 if n == 0 else 404)
            handler.send_header("Location", f"{elsewhere}/x")
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        with server(mirror) as url:
            named = url.replace("//", "//me:pass%40word@")
            assert fetch([named], "x", limit=100) == b"ok"
            with pytest.raises(NotFoundError) as caught:
                fetch([named], "x", limit=100)
    login = "Basic " + base64.b64encode(b"me:pass@word").decode()
    assert seen == [("mirror", login), ("other", None), ("mirror", login)]
    with pytest.raises(UnreachableError) as gone:
        fetch([named], "x", limit=100)
    assert url in str(gone.value)
    for error in (caught, gone):
        assert "pass" not in str(error.value)


def test_a_longer_file_than_announced_is_cut_off(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    assert fetch([f"file://{tmp_path}"], "x", limit=5) == b"12345"
    with pytest.raises(LimitError):
        fetch([f"file://{tmp_path}"], "x", limit=4)


def test_a_mirror_that_does_not_answer_is_named_with_the_way_out(tmp_path: Path) -> None:
    with server(lambda handler, _: reply(handler, 200, b"", 0)) as url:
        pass  # closed: its port refuses connections now
    with pytest.raises(UnreachableError) as failure:
        fetch([url, f"file://{tmp_path}"], "x", limit=1)
    assert url in failure.value.what
    assert "LADING_DEBIAN_MIRROR" in failure.value.fix
