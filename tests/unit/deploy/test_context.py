"""Pushes that go where the context says (S2.7, S2.8), against a strict registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lading.commands import multi_deploy, push
from lading.errors import ConflictError, NotFoundError, UsageError
from tests.registry_server import images
from tests.registry_server.server import Server, serve
from tests.unit.deploy import specs

_OLD, _NEW = images.manifest(1000, seed="old"), images.manifest(1000, seed="new")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "none"))
    for name in ("LADING_CONTEXT", "LADING_REMOTE_CACHE", "BUILD_WORKING_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    with serve() as running:
        yield running
    assert running.registry.violations == []


@pytest.fixture
def file(tmp_path: Path, server: Server) -> Path:
    path = tmp_path / "destinations.yaml"
    path.write_text(
        f"""
contexts:
  upstream:
    registry: {server.address}
    repository_prefix: org
    tags: {{allowed: ["v*", latest], mutable: [latest]}}
  overlay:
    registry: {server.address}
    repository_prefix: group
"""
    )
    return path


def _spec(directory: Path, image: images.Image = _NEW, **settings: Any) -> list[str]:
    values = {"registry": "", "repository": "app", "tags": ["latest"], **settings}
    return specs.write(directory, specs.operation(image, directory, **values))


def _repositories(server: Server) -> list[str]:
    return sorted(name for name, found in server.registry.repositories.items() if found.tags)


def test_flag_then_environment_then_setting(
    server: Server, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = {"context": "overlay", "file": file.name, "label": "destinations.yaml"}
    spec = _spec(tmp_path, destinations=setting)
    push.main(spec)
    assert _repositories(server) == ["group/app"]
    monkeypatch.setenv("LADING_CONTEXT", "upstream")
    push.main(spec)
    assert _repositories(server) == ["group/app", "org/app"]
    monkeypatch.setenv("LADING_CONTEXT", "nothing")
    push.main([*spec, "--context=overlay"])


def test_the_destination_is_printed_before_anything_is_sent(
    server: Server, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    push.main([*_spec(tmp_path), f"--destinations={file}", "--context=upstream", "--dry-run"])
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"lading: //app:push goes to {server.address}/org/app (context upstream)"
    assert _repositories(server) == []


def test_an_unknown_context_sends_nothing_and_lists_the_known(
    server: Server, file: Path, tmp_path: Path
) -> None:
    with pytest.raises(NotFoundError, match="there are: overlay, upstream"):
        push.main([*_spec(tmp_path), f"--destinations={file}", "--context=prod"])
    assert server.log == []


def test_a_missing_context_sends_nothing_and_lists_the_known(
    server: Server, file: Path, tmp_path: Path
) -> None:
    with pytest.raises(NotFoundError, match="LADING_CONTEXT: overlay, upstream"):
        push.main([*_spec(tmp_path), f"--destinations={file}"])
    assert server.log == []


def test_a_context_without_a_file_is_an_error(server: Server, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file of destinations"):
        push.main([*_spec(tmp_path), "--context=upstream"])
    assert server.log == []


def test_a_registry_that_is_named_wins(server: Server, file: Path, tmp_path: Path) -> None:
    spec = _spec(tmp_path, registry=server.address)
    push.main([*spec, f"--destinations={file}", "--context=upstream"])
    assert _repositories(server) == ["app"]


@pytest.mark.parametrize("many", [False, True])
def test_the_repository_may_begin_with_the_registry(
    server: Server, file: Path, tmp_path: Path, *, many: bool
) -> None:
    values = {"registry": "", "repository": f"{server.address}/team/app", "tags": ["v1"]}
    operation = specs.operation(_NEW, tmp_path, **values)
    flags = [f"--destinations={file}", "--context=upstream"]
    if many:
        multi_deploy.main([*specs.write(tmp_path, {"operations": [operation]}), *flags])
    else:
        push.main([*specs.write(tmp_path, operation), *flags])
    assert _repositories(server) == ["team/app"]


@pytest.mark.parametrize("many", [False, True])
def test_layers_are_mounted_from_where_the_context_sends_the_other_target(
    server: Server, file: Path, tmp_path: Path, *, many: bool
) -> None:
    flags = [f"--destinations={file}", "--context=upstream"]
    push.main([*_spec(tmp_path, repository="base"), *flags])
    received = server.registry.received
    if many:
        values = {"registry": "", "repository": "app", "tags": ["v1"], "mounts": ["base"]}
        operation = specs.operation(_NEW, tmp_path, **values)
        multi_deploy.main([*specs.write(tmp_path, {"operations": [operation]}), *flags])
    else:
        push.main([*_spec(tmp_path, mounts=["base"]), *flags])
    assert _repositories(server) == ["org/app", "org/base"]
    assert server.registry.received == received


def test_a_default_registry_is_for_pushes_that_nothing_else_places(
    server: Server, file: Path, tmp_path: Path
) -> None:
    spec = _spec(tmp_path, destination_registry=server.address)
    push.main(spec)
    assert _repositories(server) == ["app"]
    push.main([*spec, f"--destinations={file}", "--context=upstream"])
    assert _repositories(server) == ["app", "org/app"]
    push.main([*spec, "--registry=", f"--store={tmp_path}/store", "--repository=here"])
    assert _repositories(server) == ["app", "org/app"]
    assert (tmp_path / "store/layouts/here/index.json").exists()


def test_the_tag_policy_holds(server: Server, file: Path, tmp_path: Path) -> None:
    flags = [f"--destinations={file}", "--context=upstream"]
    push.main([*_spec(tmp_path, _OLD, tags=["latest", "v1"]), *flags])
    with pytest.raises(ConflictError, match="is immutable"):
        push.main([*_spec(tmp_path, _NEW, tags=["v1"]), *flags])
    with pytest.raises(ConflictError, match="does not allow it"):
        push.main([*_spec(tmp_path, _NEW, tags=["dev"]), *flags])
    push.main([*_spec(tmp_path, _NEW, tags=["latest"]), *flags])
    tags = server.registry.repositories["org/app"].tags
    assert str(tags["v1"]) == str(_OLD.root.digest)
    assert str(tags["latest"]) == str(_NEW.root.digest)


def test_many_go_to_their_context_together(server: Server, file: Path, tmp_path: Path) -> None:
    operations = [
        specs.operation(image, tmp_path, registry="", repository=name, tags=["v1"])
        for image, name in ((_OLD, "one"), (_NEW, "two"))
    ]
    spec = specs.write(tmp_path, {"label": "//:all", "operations": operations})
    multi_deploy.main([*spec, f"--destinations={file}", "--context=upstream"])
    assert _repositories(server) == ["org/one", "org/two"]


@pytest.mark.parametrize("command", [push, multi_deploy])
def test_a_content_tag_is_set_once_when_the_target_wants_one(
    server: Server, tmp_path: Path, command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    tag = f"sha256-{_NEW.root.digest.hex}"
    for tags in ([], [tag]):  # which a target may name itself
        one = specs.operation(
            _NEW, tmp_path, registry=server.address, repository="app", tags=tags, content_tag=True
        )
        value = one if command is push else {"label": "//:all", "operations": [one]}
        command.main(specs.write(tmp_path, value))
        assert list(server.registry.repositories["app"].tags) == [tag]
        assert capsys.readouterr().out.count(f":{tag}@") == 1
