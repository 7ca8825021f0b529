"""Registries over TLS: trust, faults, large bodies, constant memory."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lading.errors import InputError, LadingError, LimitError, UnreachableError
from lading.http.limits import CHUNK
from lading.registry import manifests
from lading.registry.push import Job, Pusher
from lading.registry.session import Session
from tests.registry_server import images
from tests.registry_server.certificates import AUTHORITY, server_context
from tests.registry_server.faults import Action, Answer, CutRequest, Fault, Mangle
from tests.registry_server.images import Image
from tests.registry_server.server import Server, serve

_SIZE = 3 * CHUNK + 7


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(tls=server_context()) as running:
        yield running


@pytest.fixture
def trusting(make_session: Callable[..., Session]) -> Session:
    return make_session(ca_file=str(AUTHORITY))


def _push(session: Session, registry: str, image: Image) -> None:
    repository = session.repository(registry, "app")
    Pusher().run([Job(image.root, image.content, repository, ("latest",))])


@pytest.fixture(params=["file", "stream"])
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Image:
    return images.manifest(_SIZE, 5, directory=tmp_path if request.param == "file" else None)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_push_and_unchanged_push(
    server: Server, trusting: Session, image: Image, host: str
) -> None:
    """Loopback is tried in plain HTTP first; the answer of TLS to that is understood."""
    registry = f"{host}:{server.address.partition(':')[2]}"
    _push(trusting, registry, image)
    assert server.registry.complete("app", str(image.root.digest))
    server.log.clear()
    _push(trusting, registry, image)
    assert server.lines == ["HEAD /v2/app/manifests/latest"]


def test_authority_in_the_environment(
    server: Server, make_session: Callable[..., Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(AUTHORITY))
    image = images.manifest(10)
    _push(make_session(), server.address, image)
    assert server.registry.complete("app", str(image.root.digest))


def test_unknown_authority_ends_it_before_anything_is_sent(
    server: Server, session: Session
) -> None:
    with pytest.raises(InputError, match="not trusted") as caught:
        _push(session, server.address, images.manifest(10))
    assert "--ca_file" in caught.value.fix
    assert server.log == []


def test_registry_without_tls_is_told_at_once(
    session: Session, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lading.http.origin.is_loopback_name", lambda host: False)
    with serve() as plain, pytest.raises(UnreachableError, match="does not speak TLS") as caught:
        _push(session, plain.address, images.manifest(10))
    assert "--insecure" in caught.value.fix
    assert pauses == []


def test_certificate_of_another_host(
    server: Server, trusting: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = server.address.partition(":")[2]
    found = socket.getaddrinfo("127.0.0.1", int(port), type=socket.SOCK_STREAM)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(InputError, match="not trusted"):
        _push(trusting, f"other.localhost:{port}", images.manifest(10))
    assert server.log == []


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_file_of_authorities_that_is_none(
    make_session: Callable[..., Session], server: Server, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=str(path)):
        _push(make_session(ca_file=str(path)), server.address, images.manifest(10))


@pytest.mark.parametrize(
    "action",
    [
        CutRequest(0),
        CutRequest(1),
        CutRequest(CHUNK, keep=True),
        CutRequest(CHUNK + 1, keep=True, reset=False),
        CutRequest(_SIZE - 1, keep=True),
        CutRequest(None, keep=True),
        Mangle(lost=True),
        Mangle(garbage=b"\x15\x03\x01 not HTTP"),
        Answer(503, {"Retry-After": "1"}),
    ],
)
def test_upload_that_breaks_off_goes_on(
    server: Server, trusting: Session, image: Image, action: Action
) -> None:
    server.script.add(Fault("PUT", "/uploads/", action, size=_SIZE))
    _push(trusting, server.address, image)
    assert server.script.happened == 1
    assert server.registry.complete("app", str(image.root.digest))
    assert server.registry.violations == []


def test_early_refusal_is_told(server: Server, trusting: Session, image: Image) -> None:
    server.script.add(Fault("PUT", "/uploads/", CutRequest(1000, status=413, reset=False), times=0))
    with pytest.raises(LimitError, match="413") as caught:
        _push(trusting, server.address, image)
    assert len(str(caught.value).splitlines()) <= 2
    assert "latest" not in server.registry.repositories["app"].tags


@pytest.mark.parametrize("encrypted", [True, False])
@pytest.mark.parametrize("size", [3, 20_000, 200_000])
@pytest.mark.parametrize("reader", ["all", "half"])
def test_what_comes_behind_an_answer_is_no_other_answer(
    trusting: Session, size: int, reader: str, *, encrypted: bool
) -> None:
    with serve(tls=server_context() if encrypted else None) as server:
        image = images.manifest(50_000)
        _push(trusting, server.address, image)
        more = Mangle(more=b"x" * size, length=False)
        server.script.add(Fault("GET", "/manifests/", more, times=0))
        repository = trusting.repository(server.address, "app")
        trusting.transport.requests = 0
        for _ in range(5):
            if reader == "all":
                assert manifests.get(repository, "latest")[1] == image.data
            else:
                accept = {"Accept": image.root.media_type}
                path = "manifests/latest"
                repository.request("GET", path, doing="ask", headers=accept).close()
        # None of them was met by bytes of the one before, and sent again.
        assert trusting.transport.requests == 5


def test_plain_http_is_never_returned_to(trusting: Session) -> None:
    """A registry that spoke TLS and comes back without it gets nothing."""
    with serve(tls=server_context()) as server:
        _push(trusting, server.address, images.manifest(10))
    trusting.close()
    with serve(port=int(server.address.partition(":")[2])) as plain:
        with pytest.raises(LadingError):
            _push(trusting, server.address, images.manifest(20))
        assert plain.log == []


_PEAK = """
import sys
from pathlib import Path
from lading.oci.content import FilesContent
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.registry.session import Session
from lading.registry.upload import upload
digest, size, path, registry, ca_file = sys.argv[1:]
found = Descriptor("application/octet-stream", Digest.parse(digest), int(size))
session = Session(ca_file=ca_file)
class Content(FilesContent):
    def path(self, descriptor):
        return None if sys.stdin.read() == "stream" else super().path(descriptor)
content = Content({found.digest: Path(path)})
upload(session.repository(registry, "app"), found, content)
# Not getrusage: that of a process begins with the peak of the one which started it.
[peak] = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(int(peak.split()[1]) // 1024)
"""


@pytest.mark.parametrize("how", ["file", "stream"])
def test_memory_does_not_grow_with_the_blob(server: Server, tmp_path: Path, how: str) -> None:
    peaks = []
    for size in (16 * CHUNK, 96 * CHUNK):
        path = tmp_path / "blob"
        with path.open("wb") as file:
            file.truncate(size)
        hasher = hashlib.sha256()
        for _ in range(size // CHUNK):
            hasher.update(bytes(CHUNK))
        done = subprocess.run(
            [sys.executable, "-c", _PEAK, f"sha256:{hasher.hexdigest()}", str(size), str(path),
             server.address, str(AUTHORITY)],
            input=how,
            text=True,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout))
        server.registry.repositories.clear()
        server.log.clear()
    assert peaks[1] < 64
    assert peaks[1] - peaks[0] < 8
