"""Reading from a cache that speaks HTTP: an own small server on loopback, with faults."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from lading.cas.address import parse
from lading.cas.http_cache import HttpCache
from lading.errors import (
    CorruptError,
    DeniedError,
    InputError,
    LadingError,
    NotFoundError,
    UnreachableError,
)
from lading.http.limits import Limits
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.registry.verifying import VerifyingReader
from tests.registry_server.cache import CacheServer, serve_cache
from tests.registry_server.certificates import AUTHORITY, server_context
from tests.registry_server.faults import Action, Answer, CutRequest, Fault, Hang, Mangle

DATA = random.Random(1).randbytes(3_000_003)
BLOB = Descriptor.of("application/octet-stream", DATA)
QUICK = Limits(connect=5, idle=1, answer=1, rate=100, window=0.3, attempts=4)
SECRET = "Bearer sentinel"


@pytest.fixture
def server() -> Iterator[CacheServer]:
    with serve_cache() as running:
        running.add(DATA)
        yield running


def _cache(server: CacheServer, path: str = "", **settings: object) -> HttpCache:
    known: dict[str, object] = {"limits": QUICK, "sleep": lambda seconds: None}
    address = parse(f"http://{server.address}{path}")
    return HttpCache(address, **(known | settings))  # type: ignore[arg-type]


def _read(cache: HttpCache, descriptor: Descriptor = BLOB, size: int = 100_000) -> bytes:
    """All of a blob, as an upload reads it."""
    try:
        with VerifyingReader(cache.open(descriptor), descriptor) as stream:
            return b"".join(iter(lambda: stream.read(size), b""))
    finally:
        cache.close()


@pytest.mark.parametrize("path", ["", "/", "/team/main", "/team/main/"])
def test_blob_is_below_the_path_of_the_address(path: str) -> None:
    with serve_cache() as server:
        server.add(DATA, path.rstrip("/"))
        assert _read(_cache(server, path)) == DATA
        assert [exchange.status for exchange in server.log] == [200]


def test_empty_blob(server: CacheServer) -> None:
    server.add(b"")
    assert _read(_cache(server), Descriptor.of("application/octet-stream", b"")) == b""


def test_missing_blob_is_named_before_anything_is_read(server: CacheServer) -> None:
    server.content.clear()
    with pytest.raises(NotFoundError, match=f"http://{server.address} does not have {BLOB.digest}"):
        _cache(server).open(BLOB)


def test_other_digests_are_not_asked_for(server: CacheServer) -> None:
    other = Descriptor(BLOB.media_type, Digest("sha512", "0" * 128), 10)
    with pytest.raises(NotFoundError):
        _cache(server).open(other)
    assert server.log == []


_BREAKS: dict[str, Action] = {
    "reset": CutRequest(),
    "lost": Mangle(lost=True),
    "cut at once": Mangle(cut=0),
    "cut": Mangle(cut=1_500_000),
    "cut at the end": Mangle(cut=len(DATA) - 1),
    "cut in a chunked body": Mangle(cut=1_500_000, chunked=True),
    "garbage": Mangle(garbage=b"this is not HTTP\r\n\r\n"),
    "408": Answer(408),
    "429": Answer(429, {"Retry-After": "1"}),
    "500": Answer(500),
    "503": Answer(503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
    "slow": Mangle(slow=0.02),
    "silent": Hang(1.5),
}


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
@pytest.mark.parametrize("name", _BREAKS)
def test_broken_read_goes_on(server: CacheServer, name: str, ranges: bool) -> None:
    server.ranges = ranges
    server.script.add(Fault("GET", "/cas/", _BREAKS[name]))
    assert _read(_cache(server)) == DATA
    assert server.script.happened == 1
    asked = server.log[-1].headers.get("range", "")
    assert bool(asked) == (name in ("cut", "cut at the end", "cut in a chunked body", "slow"))


@pytest.mark.parametrize("name", _BREAKS)
def test_cache_that_never_answers_well_is_given_up(server: CacheServer, name: str) -> None:
    server.script.add(Fault("GET", "/cas/", _BREAKS[name], times=0))
    if name in ("cut", "cut at the end", "cut in a chunked body"):
        # Each attempt gets further.
        assert _read(_cache(server)) == DATA
        return
    with pytest.raises(UnreachableError, match=server.address):
        _read(_cache(server))


@pytest.mark.parametrize(
    "action",
    [
        Mangle(flip=1000),
        Mangle(more=b"x"),
        Mangle(more=b"x", chunked=True),
        Mangle(headers={"Content-Length": "10"}),
        Answer(206, {}, DATA),
        Answer(416),
    ],
)
def test_wrong_content_is_corrupt(server: CacheServer, action: Action) -> None:
    server.script.add(Fault("GET", "/cas/", action, times=0))
    with pytest.raises(CorruptError, match=BLOB.digest.hex):
        _read(_cache(server))


def test_restart_without_ranges_that_is_too_short_ends(server: CacheServer) -> None:
    server.ranges = False
    short = Mangle(cut=2_000_000)
    end = Mangle(headers={"Content-Length": None, "Transfer-Encoding": "chunked"})
    server.script.add(Fault("GET", "/cas/", short), Fault("GET", "/cas/", end, times=0))
    with pytest.raises(UnreachableError):
        _read(_cache(server))


class TestCredentials:
    def test_headers_are_asked_for_once_and_sent_each_time(self, server: CacheServer) -> None:
        server.authorization = SECRET
        asked: list[int] = []

        def headers() -> list[tuple[str, str]]:
            asked.append(1)
            return [("authorization", SECRET)]

        cache = _cache(server, headers=headers)
        assert asked == []
        for _ in range(2):
            with cache.open(BLOB) as stream:
                stream.read()
        assert asked == [1]
        cache.close()

    def test_refusal_says_how_to_log_in(self, server: CacheServer) -> None:
        server.authorization = SECRET
        with pytest.raises(DeniedError) as caught:
            _read(_cache(server))
        assert "--credential_helper" in caught.value.fix

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_redirect_to_another_server_goes_without_them(
        self, server: CacheServer, status: int
    ) -> None:
        headers = [("authorization", SECRET), ("x-key", SECRET), ("cookie", SECRET)]
        with serve_cache() as other:
            other.add(DATA)
            place = f"http://{other.address}/cas/{BLOB.digest.hex}?signature=x"
            other.content[f"/cas/{BLOB.digest.hex}?signature=x"] = DATA
            server.script.add(Fault("GET", "/cas/", Answer(status, {"Location": place})))
            assert _read(_cache(server, headers=lambda: headers)) == DATA
            assert SECRET not in repr(other.log)
        assert SECRET in repr(server.log)

    @pytest.mark.parametrize(
        "place", ["http://169.254.169.254/", "file:///etc/passwd", "http://u:p@127.0.0.1/", ""]
    )
    def test_redirect_further_inside_is_refused(self, server: CacheServer, place: str) -> None:
        server.script.add(Fault("GET", "/cas/", Answer(302, {"Location": place}), times=0))
        with pytest.raises(UnreachableError):
            _read(_cache(server))

    def test_circle_of_redirects_ends(self, server: CacheServer) -> None:
        server.script.add(
            Fault("GET", "/cas/", Answer(302, {"Location": f"/cas/{BLOB.digest.hex}"}), times=0)
        )
        with pytest.raises(UnreachableError):
            _read(_cache(server))
        assert len(server.log) <= 7

    @pytest.mark.parametrize("value", [f"{SECRET}\n", f"{SECRET}\r\nX: y", f"{SECRET}\0", "„x“"])
    def test_secret_that_is_no_header_is_not_repeated(
        self, server: CacheServer, value: str
    ) -> None:
        with pytest.raises(InputError, match="authorization") as caught:
            _read(_cache(server, headers=lambda: [("authorization", value)]))
        assert "sentinel" not in str(caught.value)
        assert server.log == []


class TestEncrypted:
    @pytest.fixture
    def encrypted(self) -> Iterator[CacheServer]:
        with serve_cache(tls=server_context()) as running:
            running.add(DATA)
            yield running

    def _open(self, server: CacheServer, ca_file: str) -> Callable[[], bytes]:
        port = server.address.partition(":")[2]
        address = parse(f"https://localhost:{port}")
        return lambda: _read(HttpCache(address, ca_file=ca_file, limits=QUICK))

    def test_with_its_authority(self, encrypted: CacheServer) -> None:
        assert self._open(encrypted, str(AUTHORITY))() == DATA

    def test_without_its_authority(self, encrypted: CacheServer) -> None:
        with pytest.raises(LadingError, match="not trusted"):
            self._open(encrypted, "")()
        assert encrypted.log == []
