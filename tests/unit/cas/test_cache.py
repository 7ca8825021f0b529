"""Reading from a remote cache: a real gRPC server on loopback, with faults."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import grpc
import pytest

from lading.cas.address import Address, parse
from lading.cas.cache import CacheLimits, RemoteCache
from lading.errors import (
    CorruptError,
    DeniedError,
    InputError,
    NotFoundError,
    UnreachableError,
)
from lading.oci.descriptor import Descriptor
from lading.registry.verifying import VerifyingReader
from tests.registry_server.certificates import AUTHORITY, CERTIFICATE, KEY
from tests.unit.cas.byte_stream import ByteStream, serve, varint

DATA = random.Random(1).randbytes(1_000_003)
BLOB = Descriptor.of("application/octet-stream", DATA)
QUICK = CacheLimits(call=2, attempts=3)


def _cache(host: str, **settings: object) -> RemoteCache:
    known: dict[str, object] = {"limits": QUICK, "sleep": lambda seconds: None}
    return RemoteCache(parse(f"grpc://{host}"), **(known | settings))  # type: ignore[arg-type]


def _read(cache: RemoteCache, descriptor: Descriptor = BLOB, size: int = 100_000) -> bytes:
    """All of a blob, as an upload reads it."""
    try:
        with VerifyingReader(cache.open(descriptor), descriptor) as stream:
            return b"".join(iter(lambda: stream.read(size), b""))
    finally:
        cache.close()


@pytest.mark.parametrize("size", [1, 1000, 65_536, 100_000, 2_000_000])
def test_blob_arrives_whatever_is_read_at_once(size: int) -> None:
    data = DATA[:5000] if size == 1 else DATA
    service = ByteStream(message=777 if size == 1 else 65_536)
    service.add(data)
    with serve(service) as host:
        descriptor = Descriptor.of("application/octet-stream", data)
        assert _read(_cache(host), descriptor, size) == data
    assert service.calls == [0]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_never_proxied(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    for name in ("grpc_proxy", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_grpc_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    service = ByteStream()
    service.add(DATA)
    with serve(service) as address:
        assert _read(_cache(f"{host}:{address.rpartition(':')[2]}")) == DATA


def test_read_fills_what_is_asked_for() -> None:
    service = ByteStream(message=1000)
    service.add(DATA)
    with serve(service) as host:
        cache = _cache(host)
        with cache.open(BLOB) as stream:
            assert len(stream.read(100_000)) == 100_000
            assert stream.read() == DATA[100_000:]
        cache.close()


def test_empty_blob_is_never_asked_for() -> None:
    service = ByteStream()
    with serve(service) as host:
        assert _read(_cache(host), Descriptor.of("application/octet-stream", b"")) == b""
    assert service.calls == []


def test_instance_and_headers_are_sent() -> None:
    service = ByteStream(instance="main/team", metadata={"authorization": "Bearer t"})
    service.add(DATA)
    with serve(service) as host:
        headers = [("authorization", "Bearer t")]
        assert _read(_cache(host, instance="main/team", headers=lambda: headers)) == DATA
        with pytest.raises(DeniedError, match="helper"):
            _read(_cache(host, instance="main/team"))


def test_missing_blob_is_named_before_anything_is_read() -> None:
    with serve(ByteStream()) as host:
        cache = _cache(host)
        with pytest.raises(NotFoundError, match=f"grpc://{host} does not have {BLOB.digest}"):
            cache.open(BLOB)
        cache.close()


def test_wrong_instance_is_not_found() -> None:
    with serve(ByteStream(instance="other")) as host, pytest.raises(NotFoundError):
        _read(_cache(host))


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.CANCELLED,
    ],
)
@pytest.mark.parametrize("after", [0, 65_536, 650_000])
def test_broken_read_goes_on_where_it_stopped(code: grpc.StatusCode, after: int) -> None:
    def fault(number: int, sent: int, context: grpc.ServicerContext) -> None:
        if number == 1 and sent >= after:
            context.abort(code, "broken")

    service = ByteStream(fault=fault)
    service.add(DATA)
    with serve(service) as host:
        assert _read(_cache(host)) == DATA
    assert len(service.calls) == 2
    # What arrived before the failure is not asked for again; gRPC may drop what was under way.
    assert service.calls[1] <= (after + 65_535) // 65_536 * 65_536


def test_read_that_always_breaks_off_gets_there_as_long_as_it_gets_ahead() -> None:
    def fault(number: int, sent: int, context: grpc.ServicerContext) -> None:
        if sent >= 65_536:
            context.abort(grpc.StatusCode.UNAVAILABLE, "broken")

    service = ByteStream(fault=fault)
    service.add(DATA)
    with serve(service) as host:
        assert _read(_cache(host)) == DATA
    assert len(service.calls) > 3


def test_cache_that_fails_for_good_is_given_up() -> None:
    def fault(number: int, sent: int, context: grpc.ServicerContext) -> None:
        context.abort(grpc.StatusCode.UNAVAILABLE, "no room\nsecret")

    service = ByteStream(fault=fault)
    service.add(DATA)
    with serve(service) as host, pytest.raises(UnreachableError, match="no room\n") as caught:
        _read(_cache(host))
    assert len(service.calls) == 3
    assert "secret" not in str(caught.value)


def test_cache_that_hangs_is_given_up() -> None:
    def fault(number: int, sent: int, context: grpc.ServicerContext) -> None:
        while context.is_active():
            time.sleep(0.05)

    service = ByteStream(fault=fault)
    service.add(DATA)
    limits = CacheLimits(call=0.2)
    with serve(service) as host, pytest.raises(UnreachableError, match="deadline"):
        _read(_cache(host, limits=limits))
    assert len(service.calls) == 3


def test_cache_that_is_not_there_is_unreachable() -> None:
    with serve(ByteStream()) as host:
        pass
    with pytest.raises(UnreachableError, match=host):
        _read(_cache(host))


@pytest.mark.parametrize("wrong", [DATA[:-1], DATA + b"x", b"\0" + DATA[1:], b""])
def test_wrong_content_never_passes(wrong: bytes) -> None:
    class Liar(ByteStream):
        def read(self, request, context):  # type: ignore[no-untyped-def]
            for start in range(0, len(wrong), 65_536):
                piece = wrong[start : start + 65_536]
                yield b"\x52" + varint(len(piece)) + piece

    with serve(Liar()) as host, pytest.raises(CorruptError):
        _read(_cache(host))


def test_messages_that_are_none_are_refused_without_a_traceback(
    capfd: pytest.CaptureFixture[str],
) -> None:
    class Liar(ByteStream):
        def read(self, request, context):  # type: ignore[no-untyped-def]
            yield b"\x52\x7fabc"

    with serve(Liar()) as host, pytest.raises(CorruptError):
        _read(_cache(host))
    assert "Traceback" not in capfd.readouterr().err


def test_encrypted_cache_is_trusted_by_its_authority() -> None:
    service = ByteStream()
    service.add(DATA)
    with serve(service, certificate=(KEY.read_bytes(), CERTIFICATE.read_bytes())) as host:
        cache = RemoteCache(parse(f"grpcs://{host}"), ca_file=str(AUTHORITY), limits=QUICK)
        assert _read(cache) == DATA


def test_encrypted_cache_of_an_unknown_authority_is_not_spoken_to() -> None:
    service = ByteStream(metadata={"authorization": "Bearer t"})
    service.add(DATA)
    with serve(service, certificate=(KEY.read_bytes(), CERTIFICATE.read_bytes())) as host:
        cache = RemoteCache(parse(f"grpcs://{host}"), limits=QUICK, sleep=lambda seconds: None)
        with pytest.raises(UnreachableError, match=host):
            _read(cache)
    assert service.calls == []


def test_grpc_says_nothing_of_its_own() -> None:
    """What is wrong is said once, by the error."""
    service = ByteStream()
    program = (
        "import sys\n"
        "from lading.cas.address import parse\n"
        "from lading.cas.cache import CacheLimits, RemoteCache\n"
        "from lading.errors import UnreachableError\n"
        "from lading.oci.descriptor import Descriptor\n"
        "cache = RemoteCache(parse(sys.argv[1]), limits=CacheLimits(attempts=1))\n"
        "try:\n"
        "    cache.open(Descriptor.of('application/octet-stream', b'x'))\n"
        "except UnreachableError as error:\n"
        "    print(error)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "GRPC_VERBOSITY"}
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path)}
    with serve(service, certificate=(KEY.read_bytes(), CERTIFICATE.read_bytes())) as host:
        done = subprocess.run(
            [sys.executable, "-c", program, f"grpcs://{host}"],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert host in done.stdout


def test_certificates_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    cache = RemoteCache(parse("grpcs://127.0.0.1:1"), ca_file=str(tmp_path / "absent"))
    with pytest.raises(InputError, match="absent"):
        cache.open(BLOB)


def test_cache_on_a_socket() -> None:
    service = ByteStream()
    service.add(DATA)
    # A short path: the name of a UNIX socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        path = f"{directory}/cache"
        with serve(service, socket=path):
            assert _read(RemoteCache(parse(f"unix:{path}"), limits=QUICK)) == DATA


def test_grpc_is_imported_by_the_first_read_only() -> None:
    code = (
        "import sys; from lading.cas import address, cache;"
        "cache.RemoteCache(address.parse('grpc://127.0.0.1:1'));"
        "sys.exit('grpc' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


def test_address_is_shown_without_more() -> None:
    assert str(Address("grpcs", "cache.example.com:443")) == "grpcs://cache.example.com:443"
