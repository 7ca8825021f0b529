"""Servers that speak something like HTTP: whatever they say, there is one clear error in time."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from lading.errors import LadingError
from lading.oci.descriptor import Descriptor
from lading.registry import blobs, manifests, referrers, tags
from lading.registry.push import Job, Pusher
from lading.registry.repository import Repository
from lading.registry.session import Session
from tests.registry_server import images

_DIGEST = f"sha256:{'0' * 64}"
_OK = b"HTTP/1.1 200 OK\r\n"
_JSON = b"Content-Type: application/json\r\n"
_INDEX = b"Content-Type: application/vnd.oci.image.index.v1+json\r\n"
_MANIFEST = b"Content-Type: application/vnd.oci.image.manifest.v1+json\r\n"


def _sized(data: bytes, headers: bytes = _MANIFEST, status: bytes = _OK) -> bytes:
    return status + headers + b"Content-Length: %d\r\n\r\n" % len(data) + data


ANSWERS: dict[str, bytes] = {
    "nothing": b"",
    "a line's end": b"\r\n",
    "zeros": bytes(5000),
    "noise": random.Random(3).randbytes(5000),
    "HTTP/0.9": b"<html>hello</html>",
    "HTTP/1.0 without a length": b"HTTP/1.0 200 OK\r\n\r\nhello",
    "HTTP/2": b"\0\0\x12\x04\0\0\0\0\0" + bytes(18),
    "HTTP/9": b"HTTP/9.9 200 OK\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "SMTP": b"220 mail.example.com ESMTP\r\n",
    "TLS alert": b"\x15\x03\x01\x00\x02\x02\x46",
    "status 0": b"HTTP/1.1 000 None\r\n\r\n",
    "status 99": b"HTTP/1.1 99 Low\r\n\r\n",
    "status 600": b"HTTP/1.1 600 High\r\nContent-Length: 0\r\n\r\n",
    "status -1": b"HTTP/1.1 -1 Less\r\n\r\n",
    "status in words": b"HTTP/1.1 two hundred\r\n\r\n",
    "status of 4 digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "endless status line": b"HTTP/1.1 200 " + b"O" * 200_000,
    "endless header line": _OK + b"X: " + b"y" * 200_000,
    "many headers": _OK + b"X: y\r\n" * 5000 + b"\r\n",
    "header without a colon": _OK + b"nonsense\r\n\r\n",
    "header cut": _OK + b"Content-Le",
    "header with zeros": _OK + b"Content-Length: 0\0\r\n\r\n",
    "header folded": _OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "100 and no more": b"HTTP/1.1 100 Continue\r\n\r\n",
    "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
    "103 and no more": b"HTTP/1.1 103 Early Hints\r\n\r\n",
    "204 with a body": b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
    "206 unasked": b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/2\r\n"
    b"Content-Length: 2\r\n\r\n{}",
    "304": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "length negative": _OK + b"Content-Length: -5\r\n\r\n",
    "length in words": _OK + b"Content-Length: five\r\n\r\n",
    "length hexadecimal": _OK + b"Content-Length: 0x10\r\n\r\n",
    "length enormous": _OK + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "length a thousand digits": _OK + b"Content-Length: " + b"9" * 10_000 + b"\r\n\r\n",
    "two lengths": _OK + b"Content-Length: 2\r\nContent-Length: 5\r\n\r\n{}xxx",
    "length and chunks": _OK
    + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "chunk in words": _OK + b"Transfer-Encoding: chunked\r\n\r\nhello\r\n",
    "chunk negative": _OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n",
    "chunk enormous": _OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\nhello",
    "chunk without an end": _OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}",
    "chunk line endless": _OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 200_000,
    "packed": _sized(b"\x1f\x8b\x08\0\0", _MANIFEST + b"Content-Encoding: gzip\r\n"),
    "no JSON": _sized(b"hello"),
    "JSON of another kind": _sized(b"[]"),
    "JSON nested": _sized(b"[" * 100_000),
    "JSON number enormous": _sized(b'{"schemaVersion": ' + b"9" * 100_000 + b"}"),
    "JSON not UTF-8": _sized(b'{"a": "\xff\xfe"}'),
    "JSON NaN": _sized(b'{"schemaVersion": NaN}'),
    "JSON surrogate": _sized(b'{"mediaType": "\\ud800", "manifests": [{"mediaType": "\\ud800"}]}'),
    "manifests no list": _sized(b'{"manifests": 5, "tags": 5}', _INDEX),
    "manifests of numbers": _sized(b'{"manifests": [5], "tags": [5]}', _INDEX),
    "sizes negative": _sized(b'{"manifests": [{"size": -1, "digest": "x"}]}', _INDEX),
    "an error for a number": _sized(b'{"errors": 5}', _JSON, b"HTTP/1.1 400 No\r\n"),
    "an error with controls": _sized(
        b'{"errors": [{"code": "\\u001b[31m", "message": "\\u001b]0;x\\u0007"}]}',
        _JSON,
        b"HTTP/1.1 400 No\r\n",
    ),
    "digest of another kind": _sized(b"{}", b"Docker-Content-Digest: md5:0\r\n" + _MANIFEST),
    "digest with controls": _sized(b"{}", b"Docker-Content-Digest: sha256:\x0b\r\n" + _MANIFEST),
    "redirect to nowhere": b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
    "redirect to noise": b"HTTP/1.1 302 Found\r\nLocation: \x01\xff\r\nContent-Length: 0\r\n\r\n",
    "redirect to itself": b"HTTP/1.1 307 Again\r\nLocation: ?\r\nContent-Length: 0\r\n\r\n",
    "challenge empty": b"HTTP/1.1 401 No\r\nWWW-Authenticate:\r\nContent-Length: 0\r\n\r\n",
    "challenge endless": b"HTTP/1.1 401 No\r\nWWW-Authenticate: "
    + b'Bearer realm="x",' * 3000
    + b"\r\nContent-Length: 0\r\n\r\n",
    "retry never": b"HTTP/1.1 429 No\r\nRetry-After: 999999999\r\nContent-Length: 0\r\n\r\n",
    "retry in noise": b"HTTP/1.1 503 No\r\nRetry-After: \xff\xfe\r\nContent-Length: 0\r\n\r\n",
    "retry in year 99999": b"HTTP/1.1 503 No\r\nRetry-After: Wed, 21 Oct 99999 07:28:00 GMT\r\n"
    b"Content-Length: 0\r\n\r\n",
    "upload without a place": b"HTTP/1.1 202 Yes\r\nContent-Length: 0\r\n\r\n",
    "upload with an odd range": b"HTTP/1.1 202 Yes\r\nLocation: /x\r\nRange: 5-0\r\n"
    b"OCI-Chunk-Min-Length: 99999999999999999999\r\nContent-Length: 0\r\n\r\n",
}

_BLOB = Descriptor("application/octet-stream", images.manifest(10).root.digest, 100)


def _push(repository: Repository) -> None:
    image = images.manifest(3000)
    Pusher().run([Job(image.root, image.content, repository, ("v1",))])


def _push_in_chunks(repository: Repository) -> None:
    image = images.manifest(3000)
    Pusher(chunk=1000).run([Job(image.root, image.content, repository, ("v1",))])


def _fetch(repository: Repository) -> None:
    with blobs.BlobReader(repository, _BLOB) as reader:
        reader.read()


DEEDS: dict[str, Callable[[Repository], object]] = {
    "push": _push,
    "push in chunks": _push_in_chunks,
    "fetch a blob": _fetch,
    "fetch a manifest": lambda repository: manifests.get(repository, "v1"),
    "list tags": tags.list_tags,
    "list referrers": lambda repository: referrers.list_referrers(repository, _BLOB.digest),
    "delete": lambda repository: manifests.delete(repository, "v1"),
}


@contextlib.contextmanager
def _answering(
    answer: bytes, heads: list[bytes] | None = None, *, late: bytes = b""
) -> Iterator[str]:
    """A server that reads a request's head, answers with `answer` and waits for the client.

    What it reads goes to `heads`. What comes `late` comes a little later.
    """
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.settimeout(5)
            head = b""
            # Whoever asks for TLS is hung up on.
            while b"\r\n\r\n" not in head and head[:1] != b"\x16":
                if not (data := connection.recv(65536)):
                    return
                head += data
            if heads is not None:
                heads.append(head)
            connection.sendall(answer)
            if late:
                time.sleep(0.2)
                connection.sendall(late)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("name", ANSWERS)
def test_answer_ends_in_one_clear_error(
    make_session: Callable[..., Session], name: str, deed: str
) -> None:
    started = time.monotonic()
    with _answering(ANSWERS[name]) as address:
        repository = make_session().repository(address, "app")
        try:
            DEEDS[deed](repository)
        except LadingError as error:
            text = str(error)
            assert len(text.splitlines()) <= 2
            assert len(text) < 600
            assert text.isprintable() or "\n" in text
            assert "\x1b" not in text
        else:
            # An answer that means success to this deed: a deletion looks at the status alone.
            assert ANSWERS[name].startswith((b"HTTP/1.1 20", b"HTTP/1.0 200")), name
            assert deed in ("delete", "list tags", "fetch a manifest")
    assert time.monotonic() - started < 20


def test_server_that_hangs_up_is_asked_once_whether_it_speaks_tls(
    make_session: Callable[..., Session],
) -> None:
    heads: list[bytes] = []
    with _answering(b"", heads) as address:
        repository = make_session().repository(address, "app")
        with pytest.raises(LadingError):
            manifests.head(repository, "v1")
    assert sum(head.startswith(b"\x16") for head in heads) == 1
    assert sum(head.startswith(b"HEAD /v2/app/manifests/v1 ") for head in heads) == 5


@pytest.mark.parametrize("status", [100, 102, 103, 199])
@pytest.mark.parametrize("times", [1, 50])
def test_interim_answers_are_passed_over(
    make_session: Callable[..., Session], status: int, times: int
) -> None:
    """RFC 9110, 15.2: any number of them; the final answer belongs to the same request."""
    image = images.manifest(10)
    interim = b"HTTP/1.1 %d Wait\r\nLink: </x>; rel=preload\r\n\r\n" % status
    with _answering(interim * times, late=_sized(image.data)) as address:
        repository = make_session().repository(address, "app")
        assert manifests.get(repository, "v1")[1] == image.data


@pytest.mark.parametrize(
    "location",
    [
        "ftp://x.example/a?X-Amz-Signature=secret",
        "https://x.example:99999/a?X-Amz-Signature=secret",
        "https://x.example:0/a?X-Amz-Signature=secret",
        "http://x.example/a b?X-Amz-Signature=secret",
        "/\x80?X-Amz-Signature=secret",
    ],
)
def test_query_of_a_place_that_is_none_is_not_repeated(
    make_session: Callable[..., Session], location: str
) -> None:
    """A query may hold a signature; errors end up in logs."""
    head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    challenge = f'HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm="{location}"\r\n'
    for answer in (head, challenge + "Content-Length: 0\r\n\r\n"):
        with _answering(answer.encode("latin-1")) as address:
            repository = make_session().repository(address, "app")
            with pytest.raises(LadingError) as caught:
                manifests.get(repository, "v1")
        assert "secret" not in str(caught.value)


def test_folded_headers_mean_what_they_mean_on_one_line(
    make_session: Callable[..., Session],
) -> None:
    """RFC 9112, section 5.2."""
    image = images.manifest(10)
    folded = _OK + b"Docker-Content-Digest:\r\n %s\r\n" % str(image.root.digest).encode()
    with _answering(_sized(image.data, status=folded)) as address:
        repository = make_session().repository(address, "app")
        assert manifests.head(repository, "v1") == image.root.digest
        assert manifests.get(repository, "v1")[1] == image.data


def test_warnings_are_told_once_and_cleaned(
    make_session: Callable[..., Session],
) -> None:
    """distribution-spec 1.1, "Warnings": reported to the user, deduplicated, never acted on."""
    told: list[str] = []
    head = _OK + (
        b'Warning: 299 - "The token of \\"ci\\" ends\x1b[2J soon", 299 - "No more HTTP/1.1"\r\n'
        b'Warning: 110 cache "stale"\r\nWarning: 299 - unquoted\r\n'
        b'Warning: 299 - "' + b"x" * 9000 + b'"\r\n'
    )
    with _answering(_sized(images.manifest(10).data, status=head)) as address:
        session = make_session(warn=told.append)
        repository = session.repository(address, "app")
        for _ in range(3):
            manifests.get(repository, "v1")
    origin = f"http://{address} warns: "
    assert told == [origin + 'The token of "ci" ends\\x1b[2J soon', origin + "No more HTTP/1.1"]


def test_words_of_a_proxy_move_no_cursor(
    make_session: Callable[..., Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    with _answering(b"HTTP/1.1 502 \x1b]0;owned\x07No\r\nContent-Length: 0\r\n\r\n") as address:
        monkeypatch.setenv("https_proxy", f"http://{address}")
        repository = make_session().repository("registry.example.com", "app")
        with pytest.raises(LadingError, match="502") as caught:
            manifests.get(repository, "v1")
    assert "\x1b" not in str(caught.value)
