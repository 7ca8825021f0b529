"""A push whose layers are in a remote cache: a gRPC server and a strict registry on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from lading.cas.cache import RemoteCache
from lading.commands import push
from lading.errors import CorruptError, LadingError, NotFoundError, UnreachableError
from lading.registry.session import Session
from tests.registry_server import images
from tests.registry_server.cache import serve_cache
from tests.registry_server.faults import Fault, Mangle
from tests.registry_server.server import Server
from tests.registry_server.server import serve as serve_registry
from tests.unit.cas.byte_stream import ByteStream, serve
from tests.unit.deploy import specs

IMAGE = images.manifest(300_000, 70_000)
LAYERS = {
    digest: data for digest, data in IMAGE.content.blobs.items() if len(data) in (300_000, 70_000)
}
LARGE = max(LAYERS, key=lambda digest: len(LAYERS[digest]))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "none"))
    for name in ("LADING_REMOTE_CACHE", "IMG_REAPI_ENDPOINT", "LADING_CREDENTIAL_HELPER"):
        monkeypatch.delenv(name, raising=False)
    with serve_registry() as running:
        yield running
    assert running.registry.violations == []


@pytest.fixture
def flags(tmp_path: Path, server: Server) -> list[str]:
    """Of a target whose layers are not on this machine."""
    operation = specs.operation(IMAGE, tmp_path, registry=server.address, repository="app")
    for layer in LAYERS:
        (tmp_path / layer.hex).unlink()
    return [*specs.write(tmp_path, {**operation, "tags": ["v1"]}), "--json"]


def _full() -> ByteStream:
    service = ByteStream()
    for data in LAYERS.values():
        service.add(data)
    return service


def _push(flags: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    assert push.main(flags) == 0
    return json.loads(capsys.readouterr().out)


def test_layers_are_streamed_from_the_cache(
    server: Server, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    service = _full()
    with serve(service) as host:
        result = _push([*flags, f"--remote_cache=grpc://{host}"], capsys)
    assert result["sent"] == 4
    assert len(service.calls) == 2
    assert server.registry.complete("app", str(IMAGE.root.digest))


def test_layers_that_the_registry_has_are_not_read(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(_full()) as host:
        _push([*flags, f"--remote_cache=grpc://{host}"], capsys)
    # The cache is gone, and nobody minds.
    result = _push([*flags, f"--remote_cache=grpc://{host}", "--tag=v2"], capsys)
    assert result["movedTags"] == ["v2"]


@pytest.mark.parametrize("variable", ["LADING_REMOTE_CACHE", "IMG_REAPI_ENDPOINT"])
def test_variable_names_the_cache_and_a_flag_wins(
    flags: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    with serve(_full()) as host:
        monkeypatch.setenv(variable, f"grpc://{host}")
        with pytest.raises(NotFoundError):
            push.main([*flags, "--remote_cache="])
        _push(flags, capsys)


def test_setting_of_the_target_names_the_cache(
    flags: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with serve(_full()) as host:
        spec = tmp_path / "spec.json"
        value = json.loads(spec.read_text()) | {"remote": {"remote_cache": f"grpc://{host}"}}
        spec.write_text(json.dumps(value))
        _push(flags, capsys)


@pytest.mark.parametrize("named", ["{0}/helper", "%workspace%/helper"])
def test_secret_comes_from_the_helper_and_goes_nowhere_else(
    server: Server,
    flags: list[str],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    named: str,
) -> None:
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(tmp_path))
    helper = tmp_path / "helper"
    helper.write_text(
        "#!/bin/sh\n"
        f"echo asked >>{tmp_path}/asked\n"
        'echo \'{"headers": {"Authorization": ["Bearer sentinel"]}}\'\n'
    )
    helper.chmod(0o755)
    service = _full()
    service.metadata = {"authorization": "Bearer sentinel"}
    with serve(service) as host:
        program = f"--credential_helper={named.format(tmp_path)}"
        remote = [f"--remote_cache=grpc://{host}", program, "--verbose"]
        assert push.main([*flags, *remote]) == 0
    assert (tmp_path / "asked").read_text() == "asked\n"
    captured = capfd.readouterr()
    assert "sentinel" not in captured.out + captured.err
    assert "sentinel" not in "".join(server.lines)


def test_wrong_content_in_the_cache_ends_the_push_without_a_tag(
    server: Server, flags: list[str]
) -> None:
    service = _full()
    service.blobs[LARGE.hex] = b"\0" + service.blobs[LARGE.hex][1:]
    with serve(service) as host, pytest.raises(CorruptError, match=LARGE.hex):
        push.main([*flags, f"--remote_cache=grpc://{host}"])
    assert server.registry.repositories["app"].tags == {}
    assert str(LARGE) not in server.registry.repositories["app"].blobs


def test_cache_that_breaks_off_is_resumed_without_sending_anything_twice(
    server: Server, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def fault(number: int, sent: int, context: grpc.ServicerContext) -> None:
        if number <= 2 and sent >= 65_536:
            context.abort(grpc.StatusCode.UNAVAILABLE, "broken")

    service = _full()
    service.fault = fault
    with serve(service) as host:
        _push([*flags, f"--remote_cache=grpc://{host}"], capsys)
    assert len(service.calls) > 2
    blobs = server.registry.repositories["app"].blobs
    assert server.registry.received == sum(map(len, blobs.values()))


def test_layer_that_is_nowhere_is_named(server: Server, flags: list[str]) -> None:
    service = _full()
    del service.blobs[LARGE.hex]
    with serve(service) as host, pytest.raises(NotFoundError) as caught:
        push.main([*flags, f"--remote_cache=grpc://{host}"])
    assert str(LARGE) in caught.value.what
    assert f"nor in the remote cache grpc://{host}" in caught.value.what
    assert "--remote_cache" in caught.value.fix
    assert server.registry.repositories["app"].tags == {}


@pytest.mark.parametrize("to", ["the registry", "a layout"])
def test_connections_end_when_a_command_fails(
    server: Server, flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    spec = tmp_path / "spec.json"
    value = json.loads(spec.read_text())
    value["image"]["sources"] = [{"registry": server.address, "repository": "base"}]
    spec.write_text(json.dumps(value))
    ended: list[object] = []
    monkeypatch.setattr(Session, "close", lambda self: ended.append(Session))
    monkeypatch.setattr(RemoteCache, "close", lambda self: ended.append(RemoteCache))
    where = ["--registry=", f"--store={tmp_path}/store"] if to == "a layout" else []
    with serve(ByteStream()) as host, pytest.raises(NotFoundError):
        push.main([*flags, f"--remote_cache=grpc://{host}", "--insecure", *where])
    assert ended == [RemoteCache, Session]


@pytest.mark.parametrize("named", ["{0}/home/disk", "~/disk", "home/disk"])
def test_disk_cache_stands_in_for_a_cache_that_is_away(
    flags: list[str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    named: str,
) -> None:
    """Named as Bazel takes it."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(tmp_path))
    for digest, data in LAYERS.items():
        path = tmp_path / "home" / "disk" / "cas" / digest.hex[:2] / digest.hex
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
    with serve(ByteStream()) as host:
        pass
    remote = [f"--remote_cache=grpc://{host}", f"--disk_cache={named.format(tmp_path)}"]
    assert _push([*flags, *remote], capsys)["sent"] == 4


def test_cache_that_is_away_is_said(flags: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with serve(ByteStream()) as host:
        pass
    with pytest.raises(UnreachableError, match=host):
        push.main([*flags, f"--remote_cache=grpc://{host}"])


def test_layers_are_streamed_from_a_cache_that_speaks_http(
    server: Server, flags: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    helper = tmp_path / "helper"
    helper.write_text(
        f"#!/bin/sh\ncat >{tmp_path}/asked\n"
        'echo \'{"headers": {"Authorization": ["Bearer sentinel"]}}\'\n'
    )
    helper.chmod(0o755)
    with serve_cache(authorization="Bearer sentinel") as cache:
        for data in LAYERS.values():
            cache.add(data, "/main")
        cut = Mangle(cut=100_000)
        cache.script.add(Fault("GET", LARGE.hex, cut))
        remote = f"--remote_cache=http://{cache.address}/main"
        assert push.main([*flags, remote, f"--credential_helper={helper}", "--verbose"]) == 0
    assert cache.script.happened == 1
    uri = json.loads((tmp_path / "asked").read_text())["uri"]
    assert uri == f"http://{cache.address}/main/cas/"
    assert server.registry.complete("app", str(IMAGE.root.digest))
    blobs = server.registry.repositories["app"].blobs
    assert server.registry.received == sum(map(len, blobs.values()))
    captured = capfd.readouterr()
    assert "sentinel" not in captured.out + captured.err + repr(server.log)


def test_wrong_content_in_a_cache_that_speaks_http_ends_the_push_without_a_tag(
    server: Server, flags: list[str]
) -> None:
    with serve_cache() as cache:
        for data in LAYERS.values():
            cache.add(data)
        cache.script.add(Fault("GET", LARGE.hex, Mangle(flip=7), times=0))
        with pytest.raises(CorruptError, match=LARGE.hex):
            push.main([*flags, f"--remote_cache=http://{cache.address}"])
    assert server.registry.repositories["app"].tags == {}
    assert str(LARGE) not in server.registry.repositories["app"].blobs


@pytest.mark.parametrize("text", ["ftp://cache.example.com", "grpc://a b", "grpcs://u:p@h"])
def test_address_that_is_none_is_refused_before_anything_is_sent(
    server: Server, flags: list[str], text: str
) -> None:
    with pytest.raises(LadingError):
        push.main([*flags, f"--remote_cache={text}"])
    assert server.lines == []
