"""Every fault ends in the right bytes at the tag, or in a clear error and the old tag.

Invariants (correctness.md, section 4): a tag is the old or the new complete image; an error is
one or two lines and has an exit code; at most one chunk is sent again beyond need.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from lading.errors import LadingError
from lading.http.limits import CHUNK, Limits
from lading.registry.push import Job, Pusher
from lading.registry.session import Session
from tests.registry_server import images
from tests.registry_server.faults import Action, Answer, CutRequest, Fault, Forget, Hang, Mangle
from tests.registry_server.images import Image
from tests.registry_server.registry import digest_of
from tests.registry_server.server import Server

SMALL = 40_000
SIZE = 3 * CHUNK
#: The requests of a push, in order: method and path.
STEPS = {
    "look for the tag": ("HEAD", "/manifests/latest"),
    "look for the digest": ("HEAD", "/manifests/sha256"),
    "look for a blob": ("HEAD", "/blobs/sha256"),
    "open a session": ("POST", "/blobs/uploads/"),
    "send a blob": ("PUT", "/blobs/uploads/"),
    "set the tag": ("PUT", "/manifests/latest"),
}
RETRIED = [408, 429, 500, 502, 503, 504]


def push(session: Session, server: Server, image: Image, **settings: int) -> LadingError | None:
    """Pushes over an older image; checks what holds whatever happens; returns the error."""
    registry = server.registry
    job = Job(image.root, image.content, session.repository(server.address, "app"), ("latest",))
    error = None
    try:
        Pusher(**settings).run([job])  # type: ignore[arg-type]
    except LadingError as caught:
        error = caught
    if error is not None:
        assert error.exit_code != 0
        assert 1 <= len(str(error).splitlines()) <= 2
        assert len(str(error)) < 500
    history = registry.repositories["app"].history["latest"]
    assert all(registry.complete("app", digest) for digest in history)
    assert error is not None or registry.repositories["app"].tags["latest"] == str(
        image.root.digest
    )
    assert registry.violations == []
    return error


@pytest.fixture
def image(server: Server, session: Session, tmp_path: Path) -> Image:
    """An image of one small layer; the tag names an older one."""
    assert push(session, server, images.manifest(10, seed="old")) is None
    server.registry.received = 0
    server.log.clear()
    session.transport.requests = 0
    return images.manifest(SMALL, directory=tmp_path)


@pytest.fixture
def large(server: Server, session: Session, tmp_path: Path) -> Image:
    """An image of a layer of several MiB, the only part that is not there yet."""
    image = images.manifest(SIZE, directory=tmp_path)
    config = next(data for data in image.content.blobs.values() if data.startswith(b'{"arch'))
    server.registry.repositories["app"].blobs[digest_of(config)] = config
    return image


def need(image: Image) -> int:
    """Bytes of blobs that a push without faults sends."""
    return sum(
        len(data) for digest, data in image.content.blobs.items() if digest != image.root.digest
    )


BREAKS: dict[str, Action] = {
    "reset before the body": CutRequest(0),
    "close before the body": CutRequest(0, reset=False),
    "reset after the body": CutRequest(None),
    "close after the body": CutRequest(None, reset=False),
    "answer lost": Mangle(lost=True),
    "not HTTP": Mangle(garbage=b"\x15\x03\x01\x00\x02\x02\x16 what is this\r\n\r\n"),
    "half a status line": Mangle(garbage=b"HTTP/1.1 20"),
    "half a header": Mangle(garbage=b"HTTP/1.1 201 Created\r\nLocation: /v2/"),
}


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("name", BREAKS)
@pytest.mark.parametrize("step", STEPS)
def test_break_is_survived(
    session: Session, server: Server, image: Image, step: str, name: str, nth: int
) -> None:
    method, path = STEPS[step]
    server.script.add(Fault(method, path, BREAKS[name], nth=nth))
    assert push(session, server, image) is None
    # The second blob of the image is its config; other requests come once without a fault.
    expected = nth == 1 or path in ("/blobs/sha256", "/blobs/uploads/")
    assert server.script.happened == (1 if expected else 0)
    assert server.registry.received <= need(image) * 2 + CHUNK


@pytest.mark.parametrize("status", RETRIED)
@pytest.mark.parametrize("step", STEPS)
def test_passing_trouble_is_survived(
    session: Session, server: Server, image: Image, step: str, status: int
) -> None:
    method, path = STEPS[step]
    server.script.add(Fault(method, path, Answer(status), times=2))
    assert push(session, server, image) is None
    assert server.script.happened == 2


@pytest.mark.parametrize("status", [*RETRIED, 400, 403, 404, 405, 409, 413, 501, 507])
@pytest.mark.parametrize("step", ["open a session", "send a blob", "set the tag"])
def test_lasting_trouble_is_a_clear_error(
    session: Session, server: Server, image: Image, step: str, status: int
) -> None:
    method, path = STEPS[step]
    server.script.add(Fault(method, path, Answer(status, body=b"<html>no"), times=0))
    error = push(session, server, image)
    assert error is not None
    assert str(status) in str(error)
    assert server.address in str(error)


@pytest.mark.parametrize("name", BREAKS)
@pytest.mark.parametrize("step", STEPS)
def test_lasting_break_is_a_clear_error(
    session: Session, server: Server, image: Image, step: str, name: str
) -> None:
    method, path = STEPS[step]
    server.script.add(Fault(method, path, BREAKS[name], times=0))
    error = push(session, server, image)
    if step in ("send a blob", "set the tag") and name not in (
        "reset before the body",
        "close before the body",
        "reset after the body",
        "close after the body",
    ):
        # The registry did all of it and only cannot say so: asking it about a blob shows that.
        assert error is None or step == "set the tag"
        return
    assert error is not None
    assert error.exit_code == 6


PAST = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
RETRY_AFTER = {
    "": (0, 1),
    "0": (0, 1),
    "2": (2, 2),
    "59": (59, 59),
    PAST: (0, 1),
    "soon": (0, 1),
    "-5": (0, 1),
    "1e3": (0, 1),
    "٣": (0, 1),
    "999999999999999999999": (0, 1),
    "Fri, 99 Foo 2026 99:99:99 GMT": (0, 1),
}


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("value", RETRY_AFTER)
@pytest.mark.parametrize("step", ["open a session", "send a blob", "set the tag"])
def test_retry_after_is_honoured(
    session: Session,
    server: Server,
    image: Image,
    pauses: list[float],
    step: str,
    value: str,
    status: int,
) -> None:
    method, path = STEPS[step]
    headers = {"Retry-After": value.encode().decode("latin-1")} if value else {}
    server.script.add(Fault(method, path, Answer(status, headers)))
    assert push(session, server, image) is None
    least, most = RETRY_AFTER[value]
    assert len(pauses) == 1
    assert least <= pauses[0] <= most


def test_retry_after_as_a_date(
    session: Session, server: Server, image: Image, pauses: list[float]
) -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    server.script.add(Fault("POST", "/uploads/", Answer(503, {"Retry-After": when})))
    assert push(session, server, image) is None
    assert 35 <= pauses[0] <= 40


@pytest.mark.parametrize("step", STEPS)
def test_registry_that_wants_an_hour_is_not_waited_for(
    session: Session, server: Server, image: Image, pauses: list[float], step: str
) -> None:
    method, path = STEPS[step]
    server.script.add(Fault(method, path, Answer(429, {"Retry-After": "3600"}), times=0))
    error = push(session, server, image)
    assert "3600 s" in str(error)
    assert pauses == []


def test_waiting_has_a_budget(
    make_session: Callable[..., Session], server: Server, image: Image, pauses: list[float]
) -> None:
    server.script.add(Fault("POST", "/uploads/", Answer(503, {"Retry-After": "20"}), times=0))
    limits = Limits(attempts=100, wait=90)
    assert push(make_session(limits=limits), server, image) is not None
    assert 80 <= sum(pauses) <= 90


class TestBrokenBody:
    """A blob's body breaks off; what the registry kept is not sent again."""

    @pytest.mark.parametrize("reset", [True, False])
    @pytest.mark.parametrize("kind", ["file", "stream"])
    @pytest.mark.parametrize("read", [1, 2, 65_536, CHUNK, 2 * CHUNK + 17, SIZE - 1])
    def test_the_rest_is_sent(
        self, session: Session, server: Server, large: Image, read: int, kind: str, reset: bool
    ) -> None:
        if kind == "stream":
            large.content.directory = None
        cut = CutRequest(read, keep=True, reset=reset)
        server.script.add(Fault("PUT", "/blobs/uploads/.*", cut))
        assert push(session, server, large) is None
        assert server.script.happened == 1
        # One byte is not told from none by the registry's answer.
        assert server.registry.received <= need(large) + (1 if read == 1 else 0)

    @pytest.mark.parametrize("read", [1, CHUNK, SIZE - 1])
    def test_all_is_sent_again_if_the_registry_kept_nothing(
        self, session: Session, server: Server, large: Image, read: int
    ) -> None:
        server.script.add(Fault("PUT", "/blobs/uploads/", CutRequest(read)))
        assert push(session, server, large) is None

    @pytest.mark.parametrize("read", [65_536, 2 * CHUNK])
    def test_all_is_sent_again_if_the_registry_does_not_tell(
        self, session: Session, server: Server, large: Image, read: int
    ) -> None:
        server.registry.resume = False
        cut = CutRequest(read, keep=True)
        server.script.add(Fault("PUT", "/blobs/uploads/", cut))
        assert push(session, server, large) is None

    @pytest.mark.parametrize("times", [2, 3, 4, 12])
    def test_progress_keeps_it_going(
        self, session: Session, server: Server, tmp_path: Path, times: int
    ) -> None:
        image = images.manifest(20 * CHUNK, directory=tmp_path)
        cut = CutRequest(CHUNK + CHUNK // 2, keep=True)
        server.script.add(Fault("PUT", "uploads", cut, times=1))
        server.script.add(Fault("PATCH", "uploads", cut, times=times - 1))
        assert push(session, server, image) is None
        assert server.registry.received <= need(image)

    def test_without_progress_it_ends(self, session: Session, server: Server, large: Image) -> None:
        cut = CutRequest(1000, keep=True)
        server.script.add(Fault("*", "/blobs/uploads/.+", cut, times=0))
        error = push(session, server, large)
        assert error is not None
        assert error.exit_code == 6

    @pytest.mark.parametrize("status", [400, 401, 403, 413, 429, 500, 503])
    def test_early_refusal_is_read(
        self, session: Session, server: Server, large: Image, status: int
    ) -> None:
        """The registry answers before it has the body, and hangs up."""
        cut = CutRequest(65_536, status=status, reset=False)
        server.script.add(Fault("PUT", "/blobs/uploads/", cut, times=0))
        error = push(session, server, large)
        assert error is not None
        assert str(status) in str(error) or "reset" in str(error) or "pipe" in str(error).lower()


class TestSession:
    @pytest.mark.parametrize("nth", [1, 2])
    def test_forgotten_session_is_opened_again(
        self, session: Session, server: Server, large: Image, nth: int
    ) -> None:
        server.script.add(Fault("PUT", "/blobs/uploads/", Forget(), nth=nth))
        assert push(session, server, large) is None

    def test_registry_that_always_forgets_is_a_clear_error(
        self, session: Session, server: Server, large: Image
    ) -> None:
        server.script.add(Fault("PUT", "/blobs/uploads/", Forget(), times=0))
        error = push(session, server, large)
        assert error is not None
        assert "BLOB_UPLOAD_UNKNOWN" in str(error)

    @pytest.mark.parametrize("told", ["0-5", "0-999999999999", "5-9", "x", "", "bytes=0-3", "0-0"])
    def test_lying_range_does_no_harm(
        self, session: Session, server: Server, large: Image, told: str
    ) -> None:
        cut = CutRequest(CHUNK, keep=True)
        server.script.add(Fault("PUT", "/blobs/uploads/", cut))
        server.script.add(Fault("GET", "/blobs/uploads/", Mangle({"Range": told})))
        assert push(session, server, large) is None

    @pytest.mark.parametrize("status", [400, 404, 405, 416, 500, 503])
    def test_session_that_cannot_be_asked_is_opened_again(
        self, session: Session, server: Server, large: Image, status: int
    ) -> None:
        server.script.add(
            Fault("PUT", "/blobs/uploads/", CutRequest(CHUNK, keep=True)),
            Fault("GET", "/blobs/uploads/", Answer(status)),
        )
        assert push(session, server, large) is None

    @pytest.mark.parametrize("location", [None, "", "http://[", "ftp://127.0.0.1/x", "http://a b/"])
    def test_session_without_a_place_is_a_clear_error(
        self, session: Session, server: Server, large: Image, location: str | None
    ) -> None:
        server.script.add(Fault("POST", "/blobs/uploads/", Mangle({"Location": location}), times=0))
        error = push(session, server, large)
        assert error is not None
        assert "place of an upload" in str(error)


class TestChunks:
    """The same with chunks: at most one of them is sent twice."""

    CHUNK = 256 * 1024

    @pytest.mark.parametrize("nth", [1, 2, 11, 12])
    @pytest.mark.parametrize(
        "name", ["reset before the body", "reset after the body", "answer lost"]
    )
    def test_break(
        self, session: Session, server: Server, large: Image, name: str, nth: int
    ) -> None:
        server.script.add(Fault("PATCH", "/blobs/uploads/", BREAKS[name], nth=nth))
        assert push(session, server, large, chunk=self.CHUNK) is None
        assert server.script.happened == 1
        assert server.registry.received <= need(large) + self.CHUNK

    @pytest.mark.parametrize("status", [408, 416, 429, 500, 503])
    @pytest.mark.parametrize("nth", [1, 7, 12])
    def test_status(
        self, session: Session, server: Server, large: Image, status: int, nth: int
    ) -> None:
        server.script.add(Fault("PATCH", "/blobs/uploads/", Answer(status), nth=nth))
        assert push(session, server, large, chunk=self.CHUNK) is None
        assert server.registry.received <= need(large) + self.CHUNK

    def test_forgotten_in_the_middle(self, session: Session, server: Server, large: Image) -> None:
        server.script.add(Fault("PATCH", "/blobs/uploads/", Forget(), nth=6))
        assert push(session, server, large, chunk=self.CHUNK) is None

    def test_registry_that_keeps_nothing_is_a_clear_error(
        self, session: Session, server: Server, large: Image
    ) -> None:
        server.script.add(Fault("PATCH", "uploads", Mangle({"Range": "0-0"}), times=0))
        error = push(session, server, large, chunk=self.CHUNK)
        assert error is not None


class TestLyingAnswers:
    @pytest.mark.parametrize("digest", ["sha256:" + "0" * 64])
    def test_another_digest_for_the_manifest_is_an_error(
        self, session: Session, server: Server, image: Image, digest: str
    ) -> None:
        mangle = Mangle({"Docker-Content-Digest": digest})
        server.script.add(Fault("PUT", "/manifests/latest", mangle))
        error = push(session, server, image)
        assert error is not None
        assert error.exit_code == 5

    def test_another_digest_for_a_blob_is_an_error(
        self, session: Session, server: Server, image: Image
    ) -> None:
        mangle = Mangle({"Docker-Content-Digest": "sha256:" + "0" * 64})
        server.script.add(Fault("PUT", "/blobs/uploads/", mangle, times=0))
        error = push(session, server, image)
        assert error is not None
        assert error.exit_code == 5

    @pytest.mark.parametrize("digest", ["nonsense", "sha256:../../etc", "md5:00"])
    def test_nonsense_for_the_digest_of_a_tag_is_an_error(
        self, session: Session, server: Server, image: Image, digest: str
    ) -> None:
        mangle = Mangle({"Docker-Content-Digest": digest})
        server.script.add(Fault("HEAD", "/manifests/latest", mangle))
        error = push(session, server, image)
        assert error is not None
        assert error.exit_code == 5

    def test_blob_of_another_length_is_sent_again(
        self, session: Session, server: Server, image: Image
    ) -> None:
        layer = next(digest for digest, data in image.content.blobs.items() if len(data) == SMALL)
        server.registry.repositories["app"].blobs[str(layer)] = b"short"
        assert push(session, server, image) is None

    def test_registry_without_digest_header_is_served(
        self, session: Session, server: Server, image: Image
    ) -> None:
        server.registry.digest_header = False
        assert push(session, server, image) is None
        server.log.clear()
        assert push(session, server, image) is None
        assert server.lines == ["HEAD /v2/app/manifests/latest", "GET /v2/app/manifests/latest"]

    @pytest.mark.parametrize("step", STEPS)
    def test_endless_error_body_is_not_read(
        self, session: Session, server: Server, image: Image, step: str
    ) -> None:
        method, path = STEPS[step]
        server.script.add(Fault(method, path, Answer(400, body=b"x" * 1_000_000), times=0))
        error = push(session, server, image)
        assert error is not None
        assert "400" in str(error)

    @pytest.mark.parametrize("message", ["\x1b[31mred\x07", "a\nb\r\nc", "x" * 5000, 5, None, {}])
    def test_message_of_the_registry_is_cleaned(
        self, session: Session, server: Server, image: Image, message: object
    ) -> None:
        body = json.dumps({"errors": [{"code": "DENIED", "message": message}]}).encode()
        server.script.add(Fault("POST", "/uploads/", Answer(403, body=body), times=0))
        error = push(session, server, image)
        assert error is not None
        assert "DENIED" in str(error)
        assert all(char.isprintable() or char == "\n" for char in str(error))


class TestTime:
    def test_silent_registry_is_given_up(
        self, make_session: Callable[..., Session], server: Server, image: Image
    ) -> None:
        limits = Limits(answer=0.2, attempts=2)
        server.script.add(Fault("HEAD", "/manifests/latest", Hang(1), times=0))
        error = push(make_session(limits=limits), server, image)
        assert "timed out" in str(error)

    def test_one_slow_answer_is_survived(
        self, make_session: Callable[..., Session], server: Server, image: Image
    ) -> None:
        limits = Limits(answer=0.2, attempts=3)
        server.script.add(Fault("PUT", "/blobs/uploads/", Hang(0.5)))
        assert push(make_session(limits=limits), server, image) is None

    def test_registry_that_takes_nothing_is_given_up(
        self, make_session: Callable[..., Session], server: Server, tmp_path: Path
    ) -> None:
        """The body is so large that it fills every buffer on the way."""
        image = images.manifest(24 * CHUNK, directory=tmp_path)
        limits = Limits(idle=0.2, answer=0.2, attempts=2)
        script = Fault("*", "/blobs/uploads/.", Hang(1, deaf=True), times=0)
        server.script.add(script)
        error = push(make_session(limits=limits), server, image)
        assert error is not None


def test_unreachable_registry_is_a_clear_error(session: Session) -> None:
    image = images.manifest(10)
    job = Job(image.root, image.content, session.repository("127.0.0.1:1", "app"), ("latest",))
    with pytest.raises(LadingError, match=r"cannot connect to http://127\.0\.0\.1:1") as caught:
        Pusher().run([job])
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    ("first", "second"),
    list(
        itertools.combinations(
            ["look for a blob", "open a session", "send a blob", "set the tag"], 2
        )
    ),
)
def test_two_faults_in_one_push(
    session: Session, server: Server, image: Image, first: str, second: str
) -> None:
    for step, action in ((first, Mangle(lost=True)), (second, Answer(503))):
        method, path = STEPS[step]
        server.script.add(Fault(method, path, action))
    assert push(session, server, image) is None
    assert server.script.happened == 2
