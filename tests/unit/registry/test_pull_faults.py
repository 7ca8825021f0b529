"""Reading from a registry that fails or lies: the right bytes, or a clear error."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lading.errors import CorruptError, LadingError, LimitError, NotFoundError, UnreachableError
from lading.http.limits import CHUNK, Limits
from lading.oci import media_types
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.record import replace
from lading.registry import manifests
from lading.registry.content import RegistryContent
from lading.registry.push import Job, Pusher
from lading.registry.repository import Repository
from lading.registry.session import Session
from lading.store import layouts
from tests.registry_server import images
from tests.registry_server.faults import Action, Answer, CutRequest, Fault, Hang, Mangle
from tests.registry_server.server import Server

SIZE = 2 * CHUNK + 4321


@pytest.fixture
def blob(server: Server) -> Descriptor:
    """A blob of some MiB in the repository `app`."""
    content = images.MemoryContent()
    image = images.manifest(SIZE)
    data = next(data for data in image.content.blobs.values() if len(data) == SIZE)
    descriptor = content.add(media_types.LAYER_GZIP, data)
    server.registry.repositories["app"].blobs[str(descriptor.digest)] = data
    return descriptor


@pytest.fixture
def repository(session: Session, server: Server) -> Repository:
    return session.repository(server.address, "app")


def read(repository: Repository, descriptor: Descriptor) -> bytes:
    with RegistryContent(repository).open(descriptor) as stream:
        return b"".join(iter(lambda: stream.read(200_000), b""))


def check(repository: Repository, blob: Descriptor) -> None:
    data = read(repository, blob)
    assert len(data) == blob.size
    assert Digest.of(data) == blob.digest


SURVIVED: dict[str, Action] = {
    "reset": CutRequest(0),
    "closed": CutRequest(0, reset=False),
    "cut at 0": Mangle(cut=0),
    "cut at 1": Mangle(cut=1),
    "cut in the middle": Mangle(cut=CHUNK),
    "cut at the last byte": Mangle(cut=SIZE - 1),
    "cut in a chunked body": Mangle(chunked=True, cut=CHUNK),
    "cut without a length": Mangle(cut=CHUNK, headers={"Content-Length": None}),
    "chunked": Mangle(chunked=True),
    "without a length": Mangle(headers={"Content-Length": None, "Connection": "close"}),
    "nonsense length": Mangle(headers={"Content-Length": "many"}, cut=SIZE),
    "negative length": Mangle(headers={"Content-Length": "-1"}, cut=SIZE),
    "not HTTP": Mangle(garbage=b"\0\1\2\r\n\r\n"),
    "half a header": Mangle(garbage=b"HTTP/1.1 200 OK\r\nContent-"),
    "408": Answer(408),
    "429": Answer(429, {"Retry-After": "1"}),
    "500": Answer(500),
    "502": Answer(502),
    "503": Answer(503, {"Retry-After": "0"}),
    "504": Answer(504),
}


@pytest.mark.parametrize("name", SURVIVED)
def test_fault_is_survived(
    server: Server, repository: Repository, blob: Descriptor, name: str
) -> None:
    server.script.add(Fault("GET", "/blobs/", SURVIVED[name]))
    check(repository, blob)
    assert server.script.happened == 1


@pytest.mark.parametrize("name", SURVIVED)
def test_fault_is_survived_without_ranges(
    server: Server, repository: Repository, blob: Descriptor, name: str
) -> None:
    server.registry.ranges = False
    server.script.add(Fault("GET", "/blobs/", SURVIVED[name], times=2))
    check(repository, blob)


@pytest.mark.parametrize("at", [1, 4096, CHUNK, SIZE - 1])
def test_download_goes_on_where_it_broke_off(
    server: Server, repository: Repository, blob: Descriptor, at: int
) -> None:
    server.script.add(Fault("GET", "/blobs/", Mangle(cut=at)))
    check(repository, blob)
    assert [item.headers.get("range") for item in server.log] == [None, f"bytes={at}-"]


def test_progress_keeps_it_going(server: Server, repository: Repository, blob: Descriptor) -> None:
    data = images.manifest(12 * CHUNK)
    layer = next(item for item in data.content.blobs.values() if len(item) == 12 * CHUNK)
    descriptor = Descriptor.of(media_types.LAYER, layer)
    server.registry.repositories["app"].blobs[str(descriptor.digest)] = layer
    server.script.add(Fault("GET", "/blobs/", Mangle(cut=CHUNK + 1000), times=9))
    check(repository, descriptor)


def test_without_progress_it_ends(server: Server, repository: Repository, blob: Descriptor) -> None:
    server.script.add(Fault("GET", "/blobs/", Mangle(cut=1000), times=0))
    with pytest.raises(UnreachableError, match="short"):
        read(repository, blob)
    assert len(server.log) == 5


LIES: dict[str, tuple[Action, type[LadingError]]] = {
    "one bit": (Mangle(flip=SIZE // 2), CorruptError),
    "first byte": (Mangle(flip=0), CorruptError),
    "last byte": (Mangle(flip=-1), CorruptError),
    "one byte more": (Mangle(more=b"x"), CorruptError),
    "one byte more, chunked": (Mangle(more=b"x", chunked=True), CorruptError),
    "more without a length": (
        Mangle(more=b"x" * 1000, headers={"Content-Length": None}),
        CorruptError,
    ),
    "short with its own length": (Answer(200, {}, b"short"), CorruptError),
    "empty": (Answer(200), CorruptError),
    "a web page": (Answer(200, {"Content-Type": "text/html"}, b"<html>"), CorruptError),
    "not found": (Answer(404), NotFoundError),
    "forbidden": (Answer(403), LadingError),
    "teapot": (Answer(418), LadingError),
    "no content": (Answer(204), LadingError),
    "a range nobody asked for": (
        Answer(206, {"Content-Range": f"bytes 0-9/{SIZE}"}, b"0123456789"),
        LadingError,
    ),
    "500 for ever": (Answer(500), UnreachableError),
    "429 for ever": (Answer(429), UnreachableError),
}


@pytest.mark.parametrize("name", LIES)
def test_lie_is_a_clear_error(
    server: Server, repository: Repository, blob: Descriptor, name: str
) -> None:
    action, kind = LIES[name]
    server.script.add(Fault("GET", "/blobs/", action, times=0))
    with pytest.raises(kind) as caught:
        read(repository, blob)
    assert len(str(caught.value).splitlines()) <= 2
    assert blob.digest.hex in str(caught.value)


@pytest.mark.parametrize("name", LIES)
def test_lie_leaves_nothing_in_a_layout(
    session: Session, server: Server, tmp_path: Path, name: str
) -> None:
    image = images.manifest(SIZE)
    repository = session.repository(server.address, "app")
    Pusher().run([Job(image.root, image.content, repository, ("latest",))])
    action, _ = LIES[name]
    server.script.add(Fault("GET", "/blobs/", action, times=0))
    with pytest.raises(LadingError):
        layouts.write(tmp_path / "layout", image.root, RegistryContent(repository), ["latest"])
    files = {path.name for path in (tmp_path / "layout").rglob("*") if path.is_file()}
    assert files <= {"oci-layout", "blobs.lock", "index.lock"}


@pytest.mark.parametrize(
    "lie",
    [
        f"bytes 5-{SIZE - 1}/{SIZE}",
        f"bytes 4096-{SIZE - 1}/99",
        "bytes */5",
        "",
        "lines 4096-5/6",
        f"bytes 4096-{SIZE - 1}/{SIZE}\x0b",
    ],
)
def test_another_range_than_asked_for_is_an_error(
    server: Server, repository: Repository, blob: Descriptor, lie: str
) -> None:
    server.script.add(
        Fault("GET", "/blobs/", Mangle(cut=4096)),
        Fault("GET", "/blobs/", Mangle(headers={"Content-Range": lie})),
    )
    with pytest.raises(CorruptError, match="range"):
        read(repository, blob)


def test_ranges_that_come_and_go_lose_nothing(
    repository: Repository, server: Server, blob: Descriptor
) -> None:
    """Behind one name may be servers that know ranges and such that do not."""
    unbounded = {"Content-Length": None, "Content-Range": None, "Connection": "close"}
    server.script.add(
        Fault("GET", "/blobs/", Mangle(cut=CHUNK)),
        Fault("GET", "/blobs/", Mangle(status=200, headers=unbounded, cut=100)),
    )
    check(repository, blob)


def test_range_refused_starts_over(
    server: Server, repository: Repository, blob: Descriptor
) -> None:
    server.script.add(
        Fault("GET", "/blobs/", Mangle(cut=4096)), Fault("GET", "/blobs/", Answer(416))
    )
    check(repository, blob)


def test_drip_of_bytes_is_given_up(
    server: Server, repository: Repository, blob: Descriptor
) -> None:
    server.script.add(Fault("GET", "/blobs/", Mangle(slow=0.05), times=0))
    with pytest.raises(UnreachableError, match="slower than 100 bytes a second"):
        read(repository, blob)


def test_one_drip_of_bytes_is_survived(
    server: Server, repository: Repository, blob: Descriptor
) -> None:
    server.script.add(Fault("GET", "/blobs/", Mangle(slow=0.05)))
    check(repository, blob)


def test_silence_in_a_body_is_given_up(
    make_session: Callable[..., Session], server: Server, blob: Descriptor
) -> None:
    limits = Limits(idle=0.2, attempts=2)
    server.script.add(Fault("GET", "/blobs/", Mangle(slow=5), times=0))
    with pytest.raises(UnreachableError, match="timed out"):
        read(make_session(limits=limits).repository(server.address, "app"), blob)


def test_slow_reader_is_not_the_networks_fault(
    make_session: Callable[..., Session], server: Server, blob: Descriptor
) -> None:
    limits = Limits(rate=10_000_000, window=0.2)
    repository = make_session(limits=limits).repository(server.address, "app")
    with RegistryContent(repository).open(blob) as stream:
        hasher = hashlib.sha256(stream.read(1000))
        time.sleep(0.5)
        while data := stream.read(CHUNK):
            hasher.update(data)
    assert hasher.hexdigest() == blob.digest.hex


class TestManifest:
    @pytest.fixture
    def image(self, session: Session, server: Server) -> images.Image:
        image = images.manifest(10)
        repository = session.repository(server.address, "app")
        Pusher().run([Job(image.root, image.content, repository, ("latest",))])
        server.log.clear()
        return image

    @pytest.mark.parametrize(
        "name",
        [
            name
            for name in SURVIVED
            if not name.startswith(("cut in the middle", "cut at the last"))
        ],
    )
    def test_fault_is_survived(
        self, server: Server, repository: Repository, image: images.Image, name: str
    ) -> None:
        action = SURVIVED[name]
        if isinstance(action, Mangle) and action.cut is not None and action.cut > 10:
            action = Mangle(action.headers, cut=action.cut if "length" in name else 100)
        server.script.add(Fault("GET", "/manifests/", action))
        descriptor, data = manifests.get(repository, "latest")
        assert (descriptor.digest, data) == (image.root.digest, image.data)

    @pytest.mark.parametrize("reference", ["latest", "digest"])
    @pytest.mark.parametrize(
        "action",
        [
            Mangle(flip=100),
            Mangle(more=b" "),
            Mangle(headers={"Content-Type": "text/html"}),
            Mangle(headers={"Content-Type": None}),
            Mangle(headers={"Content-Type": media_types.INDEX}),
            Mangle(headers={"Content-Type": media_types.DOCKER_MANIFEST}),
            Answer(200, {"Content-Type": media_types.MANIFEST}, b"not json"),
            Answer(200, {"Content-Type": media_types.MANIFEST}, b"[]"),
            Answer(200, {"Content-Type": media_types.MANIFEST}, b'{"a":1,"a":2}'),
            Answer(200, {"Content-Type": media_types.MANIFEST}, b'{"a":' * 100_000),
            Answer(200, {"Content-Type": media_types.MANIFEST}),
        ],
    )
    def test_lie_is_a_clear_error(
        self,
        server: Server,
        repository: Repository,
        image: images.Image,
        action: Action,
        reference: str,
    ) -> None:
        server.script.add(Fault("GET", "/manifests/", action, times=0))
        with pytest.raises(CorruptError) as caught:
            manifests.get(repository, image.root.digest if reference == "digest" else "latest")
        assert len(str(caught.value).splitlines()) <= 2

    @pytest.mark.parametrize("length", [True, False])
    def test_endless_manifest_is_refused(
        self, server: Server, repository: Repository, image: images.Image, length: bool
    ) -> None:
        mangle = Mangle(more=b" " * 5_000_000, chunked=not length)
        server.script.add(Fault("GET", "/manifests/", mangle, times=0))
        with pytest.raises(LimitError):
            manifests.get(repository, "latest")

    def test_missing_one_is_asked_for_once(
        self, server: Server, repository: Repository, pauses: list[float]
    ) -> None:
        with pytest.raises(NotFoundError):
            manifests.get(repository, "nothing")
        assert server.count("GET /v2/app/manifests/") == 1
        assert pauses == []


class TestRedirects:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_blob_from_another_place(
        self, server: Server, repository: Repository, blob: Descriptor, status: int
    ) -> None:
        place = f"http://{server.address}/v2/app/blobs/{blob.digest}?signature=abc"
        server.script.add(Fault("GET", r"/blobs/[^?]*$", Answer(status, {"Location": place})))
        check(repository, blob)

    def test_every_attempt_asks_the_registry_anew(
        self, server: Server, repository: Repository, blob: Descriptor
    ) -> None:
        """A signed address may have expired by the time that a download breaks off."""
        place = f"http://{server.address}/v2/app/blobs/{blob.digest}?signature="
        for number in range(2):
            answer = Answer(307, {"Location": f"{place}{number}"})
            server.script.add(Fault("GET", r"/blobs/[^?]*$", answer))
        server.script.add(Fault("GET", "signature=0", Mangle(cut=4096)))
        check(repository, blob)
        assert [item.target.partition("?")[2] for item in server.log] == [
            "",
            "signature=0",
            "",
            "signature=1",
        ]

    @pytest.mark.parametrize(
        "location",
        ["", None, "http://", "http://[::1", "//", "gopher://x/", "http://a\tb/", "\\\\x"],
    )
    def test_nowhere_is_a_clear_error(
        self, server: Server, repository: Repository, blob: Descriptor, location: str | None
    ) -> None:
        headers = {} if location is None else {"Location": location}
        server.script.add(Fault("GET", "/blobs/", Answer(307, headers), times=0))
        with pytest.raises(LadingError) as caught:
            read(repository, blob)
        assert len(str(caught.value).splitlines()) <= 2

    @pytest.mark.parametrize("length", [1, 2, 3])
    def test_loop_ends(
        self, server: Server, repository: Repository, blob: Descriptor, length: int
    ) -> None:
        for number in range(length):
            place = f"/v2/app/blobs/{blob.digest}?n={(number + 1) % length}"
            pattern = f"n={number}" if number else r"blobs/(?!.*n=[1-9])"
            server.script.add(Fault("GET", pattern, Answer(302, {"Location": place}), times=0))
        with pytest.raises(UnreachableError, match="more than 5 times"):
            read(repository, blob)
        assert len(server.log) == 6

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    @pytest.mark.parametrize("method", ["POST", "PUT"])
    def test_upload_is_not_led_elsewhere(
        self, session: Session, server: Server, method: str, status: int
    ) -> None:
        image = images.manifest(10)
        repository = session.repository(server.address, "app")
        place = {"Location": f"http://{server.address}/elsewhere"}
        server.script.add(Fault(method, "/v2/", Answer(status, place), times=0))
        with pytest.raises(LadingError):
            Pusher().run([Job(image.root, image.content, repository, ("latest",))])
        assert not any("elsewhere" in line for line in server.lines)


def test_hanging_registry_is_given_up(
    make_session: Callable[..., Session], server: Server, blob: Descriptor
) -> None:
    server.script.add(Fault("GET", "/blobs/", Hang(1), times=0))
    session = make_session(limits=Limits(answer=0.1, attempts=2))
    with pytest.raises(UnreachableError, match="timed out"):
        read(session.repository(server.address, "app"), blob)


def test_empty_blob(server: Server, repository: Repository) -> None:
    empty = Descriptor.of(media_types.LAYER, b"")
    server.registry.repositories["app"].blobs[str(empty.digest)] = b""
    assert read(repository, empty) == b""


def test_foreign_urls_are_not_followed(
    server: Server, repository: Repository, blob: Descriptor
) -> None:
    place = f"http://{server.address}/v2/app/blobs/{blob.digest}"
    foreign = replace(blob, digest=Digest("sha256", "0" * 64), extra={"urls": [place]})
    with pytest.raises(NotFoundError):
        read(repository, foreign)
    assert server.count("GET /v2/app/blobs/") == 1


def test_sha512_is_verified(server: Server, repository: Repository) -> None:
    data = b"x" * 1000
    digest = Digest("sha512", hashlib.sha512(data).hexdigest())
    server.registry.repositories["app"].blobs[str(digest)] = data
    descriptor = Descriptor(media_types.LAYER, digest, 1000)
    assert read(repository, descriptor) == data
    server.script.add(Fault("GET", "/blobs/", Mangle(flip=3)))
    with pytest.raises(CorruptError):
        read(repository, descriptor)
