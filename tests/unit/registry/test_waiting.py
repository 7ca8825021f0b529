"""How long a silent server is waited for, and what whoever watches is told meanwhile."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from lading.errors import LadingError, LimitError, NotFoundError
from lading.http.limits import CHUNK, Limits
from lading.http.messages import Request, TransportError
from lading.http.origin import Origin
from lading.http.retry import Budget
from lading.http.transport import Transport
from lading.oci import media_types
from lading.oci.descriptor import Descriptor
from lading.registry import manifests, tags
from lading.registry.push import Job, Pusher
from lading.registry.session import Session
from lading.registry.threads import Threads
from tests.registry_server import images
from tests.registry_server.certificates import AUTHORITY, server_context
from tests.registry_server.faults import Answer, CutRequest, Fault, Hang
from tests.registry_server.registry import Registry
from tests.registry_server.server import Server, serve, serve_tokens

Make = Callable[..., Session]


def _push(session: Session, server: Server, *names: str, chunk: int = 0) -> None:
    image = images.manifest(40_000)
    jobs = [
        Job(image.root, image.content, session.repository(server.address, name), ("v1",))
        for name in names or ("app",)
    ]
    Pusher(chunk=chunk).run(jobs)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("HEAD", "/manifests/v1"),
        ("HEAD", "/blobs/"),
        ("POST", "/blobs/uploads/"),
        ("PUT", "/blobs/uploads/"),
        ("PUT", "/manifests/v1"),
    ],
)
def test_server_without_a_word_is_asked_three_times(
    make_session: Make, server: Server, method: str, path: str
) -> None:
    """Not five times, as one that answers with an error: each time takes as long as it may."""
    server.script.add(Fault(method, path, Hang(2, deaf=True), times=0))
    with pytest.raises(LadingError, match=r"timed out, no answer within 0\.1 s") as caught:
        _push(make_session(limits=Limits(answer=0.1, settle=1e9)), server)
    assert caught.value.exit_code == 6
    # The layer and the config are sent at the same time; what did not begin by then does not.
    assert server.script.happened in ((3,) if "manifests" in path else (3, 4, 5, 6))


def test_error_is_met_with_five_attempts(make_session: Make, server: Server) -> None:
    server.script.add(Fault("GET", "/tags/", Answer(503), times=0))
    with pytest.raises(LadingError):
        tags.list_tags(make_session().repository(server.address, "app"))
    assert server.script.happened == 5


class TestRateLimit:
    """429: nothing is wrong but how often the registry is asked."""

    def _turned_away(
        self, session: Session, server: Server, headers: dict[str, str], times: int = 0
    ) -> None:
        server.script.add(Fault("GET", "/tags/", Answer(429, headers), times=times))
        tags.list_tags(session.repository(server.address, "app"))

    def test_that_does_not_say_for_how_long_is_outlasted(
        self, session: Session, server: Server, pauses: list[float]
    ) -> None:
        """Most of them count for a minute."""
        with pytest.raises(NotFoundError):
            self._turned_away(session, server, {}, times=8)
        assert len(pauses) == 8
        assert 61 < sum(pauses) < 124
        assert all(before < after for before, after in itertools.pairwise(pauses[1::2]))

    def test_that_goes_on_and_on_ends_it(
        self, session: Session, server: Server, pauses: list[float]
    ) -> None:
        with pytest.raises(LadingError, match="says 429"):
            self._turned_away(session, server, {})
        assert server.script.happened == 9

    def test_that_asks_for_pauses_gets_them_within_the_budget(
        self, session: Session, server: Server, pauses: list[float]
    ) -> None:
        with pytest.raises(LadingError, match="says 429") as caught:
            self._turned_away(session, server, {"Retry-After": "50"})
        assert caught.value.fix == "it asks to come back in 50 s"
        assert pauses == [50] * 6

    def test_does_not_count_as_a_failure(
        self, session: Session, server: Server, pauses: list[float]
    ) -> None:
        for _ in range(4):
            server.script.add(Fault("GET", "/tags/", Answer(429)))
            server.script.add(Fault("GET", "/tags/", Answer(503)))
        with pytest.raises(NotFoundError):
            tags.list_tags(session.repository(server.address, "app"))
        assert len(pauses) == 8

    @pytest.mark.parametrize("left", ["0;w=21600", "0; w=21600"])
    def test_of_hours_that_has_nothing_left_is_told_at_once(
        self, session: Session, server: Server, pauses: list[float], left: str
    ) -> None:
        with pytest.raises(LadingError, match="says 429") as caught:
            self._turned_away(session, server, {"RateLimit-Remaining": left})
        assert caught.value.fix == "it asks to come back in 21600 s"
        assert pauses == []

    @pytest.mark.parametrize("left", ["0;w=30", "3;w=21600", "0", "nothing"])
    def test_with_something_left_is_waited_for(
        self, session: Session, server: Server, pauses: list[float], left: str
    ) -> None:
        with pytest.raises(NotFoundError):
            self._turned_away(session, server, {"RateLimit-Remaining": left}, times=1)
        assert (max(pauses) >= 30) == (left == "0;w=30")

    @pytest.mark.parametrize("method", ["HEAD", "POST", "PUT"])
    def test_in_the_middle_of_an_upload(
        self, session: Session, server: Server, method: str
    ) -> None:
        server.script.add(Fault(method, "/blobs/", Answer(429), times=8))
        _push(session, server)
        assert server.script.happened == 8


@pytest.mark.parametrize("chunk", [0, 10_000])
def test_answer_to_an_upload_may_take_longer_the_larger_it_is(
    make_session: Make, server: Server, chunk: int
) -> None:
    """Registries hash, and move, what they got before they answer."""
    server.script.add(Fault("PUT", "/blobs/uploads/", Hang(0.5), times=0))
    _push(make_session(limits=Limits(answer=0.1, settle=100)), server, chunk=chunk)
    assert server.count("PUT /v2/app/blobs/uploads/") == 2
    assert server.count("POST /v2/app/blobs/uploads/") == 2


def test_threads_that_wait_at_the_same_time_wait_once() -> None:
    """A rate limit meets all of them: eight that are sent away for 30 s are back after 30 s."""
    budget = Budget(Limits(wait=0.5))
    with Threads(8) as threads:
        assert threads.each(lambda seconds: budget.wait(seconds, ""), [0.3] * 8) == [True] * 8
    assert not budget.wait(0.3, "")
    assert budget.wait(0.1, "")


def test_threads_do_not_try_a_silent_token_server_one_after_the_other(
    make_session: Make,
) -> None:
    with serve_tokens() as tokens, serve(Registry(token=tokens.auth)) as server:
        tokens.script.add(Fault("GET", "/token", Hang(0.6), times=0))
        session = make_session(
            limits=Limits(answer=0.1), realms=[tokens.realm.removesuffix("/token")]
        )
        with pytest.raises(LadingError, match="cannot get a token") as caught:
            _push(session, server, *(f"app{number}" for number in range(8)))
        assert caught.value.exit_code == 6
        # Threads that come later than the others were told try for themselves.
        assert tokens.script.happened <= 6


class TestNotice:
    """A person at a terminal learns what is waited for."""

    @pytest.fixture
    def told(self) -> list[str]:
        return []

    @pytest.mark.parametrize("tls", [False, True])
    def test_of_an_answer_that_takes_long(
        self, make_session: Make, told: list[str], *, tls: bool
    ) -> None:
        with serve(tls=server_context() if tls else None) as server:
            session = make_session(
                limits=Limits(answer=20, patience=0.1), notice=told.append, ca_file=str(AUTHORITY)
            )
            _push(session, server)
            assert told == []
            server.script.add(Fault("HEAD", "/manifests/v1", Hang(0.5)))
            _push(session, server)
            url = f"{'https' if tls else 'http'}://{server.address}/v2/app/manifests/v1"
            assert told == [f"no answer yet to HEAD {url}; waiting for up to 20 s"]
            assert server.count("HEAD /v2/app/manifests/v1") == 2

    def test_of_a_long_pause_and_its_reason(
        self, make_session: Make, server: Server, told: list[str], pauses: list[float]
    ) -> None:
        server.script.add(Fault("GET", "/tags/", Answer(429, {"Retry-After": "30"})))
        server.script.add(Fault("GET", "/tags/", Answer(503)))
        repository = make_session(notice=told.append).repository(server.address, "app")
        with pytest.raises(NotFoundError):
            tags.list_tags(repository)
        assert len(pauses) == 2
        [line] = told
        says = f"cannot list the tags of {repository}: http://{server.address} says 429"
        assert line == f"{says}; trying again in 30 s"

    def test_of_pauses_for_a_registry_that_is_down(
        self, make_session: Make, told: list[str], pauses: list[float]
    ) -> None:
        """Nobody wonders for seconds whether something happens."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(LadingError, match="Connection refused"):
            tags.list_tags(make_session(notice=told.append).repository(address, "app"))
        unsaid = sum(pauses[: len(pauses) - len(told)])
        assert unsaid < 2
        assert all("Connection refused; trying again in " in line for line in told)

    def test_of_a_pause_that_several_threads_make(self, told: list[str]) -> None:
        budget = Budget(Limits(noticed=0.2), notice=told.append)
        with Threads(4) as threads:
            threads.each(lambda seconds: budget.wait(seconds, "down"), [0.3] * 4)
        assert told == ["down; trying again in 0 s"]

    def test_of_a_connection_that_takes_long(self, make_session: Make, told: list[str]) -> None:
        """The handshake is never answered."""
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            address = f"127.0.0.1:{deaf.getsockname()[1]}"
            limits = Limits(connect=0.5, patience=0.1, attempts=1)
            transport = Transport(limits, user_agent="", notice=told.append)
            with pytest.raises(TransportError):
                transport.send(Request("GET", Origin.split(f"https://{address}")[0], "/v2/"))
        assert told == [f"no connection to https://{address} yet"]

    def test_of_an_attempt_after_silence(
        self, make_session: Make, server: Server, told: list[str]
    ) -> None:
        server.script.add(Fault("GET", "/tags/", Hang(0.5)))
        session = make_session(limits=Limits(answer=0.1), notice=told.append)
        with pytest.raises(NotFoundError):
            tags.list_tags(session.repository(server.address, "app"))
        [line] = told
        assert line.endswith("timed out, no answer within 0.1 s; trying again in 0 s")


@contextlib.contextmanager
def _saying(text: bytes) -> Iterator[str]:
    """A server that says `text` to every request, and keeps the connection open."""
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            connection.sendall(text)
            ended.wait(20)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)


def test_body_that_nobody_reads_is_not_waited_for(make_session: Make) -> None:
    started = time.monotonic()
    with _saying(b"HTTP/1.1 404 None\r\nContent-Length: 100\r\n\r\n") as address:
        session = make_session(limits=Limits(drain=0.1))
        assert not manifests.delete(session.repository(address, "app"), "v1")
    assert time.monotonic() - started < 10


def test_refusal_of_a_document_that_is_not_read_to_its_end_is_told(
    make_session: Make, server: Server
) -> None:
    """A proxy that limits requests answers, and hangs up, before it has all of it."""
    data = b'{"schemaVersion": 2, "annotations": {"x": "' + b"y" * (3 * CHUNK) + b'"}}'
    cut = CutRequest(read=1000, status=413, reset=False)
    server.script.add(Fault("PUT", "/manifests/", cut, times=0))
    repository = make_session().repository(server.address, "app")
    with pytest.raises(LimitError, match="413"):
        manifests.put(repository, "v1", Descriptor.of(media_types.MANIFEST, data), data)
    assert server.script.happened == 1
