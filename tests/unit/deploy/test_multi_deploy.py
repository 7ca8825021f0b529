"""Many pushes as one command, against a strict registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lading.commands import multi_deploy
from lading.errors import DeniedError, EngineError, LadingError, NotFoundError, UsageError
from lading.oci.platform import Platform
from tests.registry_server import images
from tests.registry_server.faults import Answer, Fault, Hang
from tests.registry_server.server import Server, serve
from tests.unit.deploy import specs

#: Two images with one layer in common.
ONE = images.manifest(50_000, 1000, seed="one")
TWO = images.manifest(50_000, 2000, seed="two")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("LADING_REMOTE_CACHE", raising=False)
    with serve() as running:
        yield running
    assert running.registry.violations == []


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    assert multi_deploy.main(["--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def _both(directory: Path, server: Server) -> list[str]:
    operations = [
        specs.operation(
            image, directory, registry=server.address, repository=f"team/{name}", tags=["v1", "v2"]
        )
        for image, name in ((ONE, "one"), (TWO, "two"))
    ]
    return specs.write(directory, {"label": "//:all", "operations": operations})


def test_blob_that_two_images_share_is_uploaded_once(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = _run(capsys, *_both(tmp_path, server))

    one, two = result["operations"]
    assert one["digest"] == str(ONE.root.digest)
    assert two["references"] == [
        f"{server.address}/team/two:{tag}@{TWO.root.digest}" for tag in ("v1", "v2")
    ]
    assert one["mounted"] + two["mounted"] == 1
    blobs = {
        digest: data
        for name in ("team/one", "team/two")
        for digest, data in server.registry.repositories[name].blobs.items()
    }
    assert server.registry.received == sum(map(len, blobs.values()))


def test_unchanged_images_cost_one_request_a_reference(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = _both(tmp_path, server)
    _run(capsys, *flags)
    result = _run(capsys, *flags)

    assert result["requests"] == 4
    assert not any(operation["changed"] for operation in result["operations"])


def test_dry_run_sends_nothing(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = _run(capsys, "--dry-run", *_both(tmp_path, server))

    assert result["dryRun"]
    assert server.registry.received == 0
    assert not any(item.tags for item in server.registry.repositories.values())


def test_push_without_a_registry_goes_to_a_layout(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    operations = [
        specs.operation(ONE, tmp_path, repository="team/one", tags=["v1"]),
        specs.operation(TWO, tmp_path, registry=server.address, repository="two", tags=["v1"]),
    ]
    flags = specs.write(tmp_path, {"label": "//:all", "operations": operations})
    result = _run(capsys, f"--store={tmp_path}/store", *flags)

    layout = tmp_path / "store" / "layouts" / "team" / "one"
    assert result["operations"][0]["references"] == [f"oci:{layout}:v1"]
    index = json.loads((layout / "index.json").read_text())
    assert index["manifests"][0]["digest"] == str(ONE.root.digest)
    assert server.registry.repositories["two"].tags == {"v1": str(TWO.root.digest)}


def test_nothing_is_loaded_when_a_push_fails(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: object, **__: object) -> None:
        pytest.fail("an engine is asked though a push failed")

    monkeypatch.setattr("lading.engine.engines.connect", connect)
    operations = [
        specs.operation(ONE, tmp_path, kind="load", repository="team/one", tags=["v1"]),
        specs.operation(TWO, tmp_path, registry=server.address, repository="two", tags=["v1"]),
    ]
    layer = next(digest for digest, data in TWO.content.blobs.items() if len(data) == 2000)
    flags = specs.write(tmp_path, {"label": "//:all", "operations": operations})
    (tmp_path / layer.hex).unlink()

    with pytest.raises(LadingError, match=layer.hex):
        multi_deploy.main(flags)
    assert server.registry.repositories["two"].tags == {}


def test_a_push_that_fails_leaves_no_doubt_about_the_others(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = _both(tmp_path, server)
    server.script.add(
        Fault("PUT", "/v2/team/two/manifests/v1", Hang(2)),
        Fault("PUT", "/v2/team/two/manifests/v2", Answer(403)),
    )
    with pytest.raises(DeniedError):
        multi_deploy.main(flags)
    assert capsys.readouterr().err.splitlines() == [
        f"lading: pushed before that: {server.address}/team/one:{tag}@{ONE.root.digest}"
        for tag in ("v1", "v2")
    ]


def test_nothing_is_pushed_when_a_registry_refuses_to_be_asked(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    operations = [
        specs.operation(ONE, tmp_path, registry=server.address, repository="one", tags=["v1"]),
        specs.operation(TWO, tmp_path, registry=server.address, repository="two", tags=["v1"]),
    ]
    server.script.add(Fault("HEAD", "/v2/two/", Answer(400)))
    with pytest.raises(LadingError):
        multi_deploy.main(specs.write(tmp_path, {"label": "//:all", "operations": operations}))
    assert capsys.readouterr().err == "lading: no image was pushed\n"
    assert not any(item.tags for item in server.registry.repositories.values())


def test_a_load_that_fails_leaves_no_doubt_about_the_pushes(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    operations = [
        specs.operation(ONE, tmp_path, kind="load", repository="team/one", tags=["v1"]),
        specs.operation(TWO, tmp_path, registry=server.address, repository="team/two", tags=["v1"]),
    ]
    flags = specs.write(tmp_path, {"label": "//:all", "operations": operations})
    with pytest.raises(EngineError):
        multi_deploy.main([*flags, f"--host=unix://{tmp_path}/none"])
    assert capsys.readouterr().err.startswith("lading: 1 image pushed, 1 of them new or changed")


def test_a_load_without_an_image_for_the_platform_names_its_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Engine:
        def platform(self) -> Platform:
            return Platform("linux", "s390x")

        def close(self) -> None:
            pass

    monkeypatch.setattr("lading.engine.engines.connect", lambda *_, **__: Engine())
    operation = specs.operation(ONE, tmp_path, kind="load", repository="team/one", tags=["v1"])
    flags = specs.write(tmp_path, {"label": "//:all", "operations": [operation]})
    with pytest.raises(NotFoundError, match=r"^//app:push: sha256:\w+ has no image for"):
        multi_deploy.main(flags)


def test_only_takes_one_kind(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    operations = [
        specs.operation(ONE, tmp_path, kind="load", repository="team/one", tags=["v1"]),
        specs.operation(TWO, tmp_path, registry=server.address, repository="two", tags=["v1"]),
    ]
    flags = specs.write(tmp_path, {"label": "//:all", "operations": operations})
    result = _run(capsys, "--only=push", *flags)
    assert [operation["kind"] for operation in result["operations"]] == ["push"]


def test_registry_of_all_pushes_can_be_another(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    operations = [
        specs.operation(ONE, tmp_path, registry="example.com", repository="one", tags=["v1"])
    ]
    flags = specs.write(tmp_path, {"label": "//:all", "operations": operations})
    result = _run(capsys, f"--registry={server.address}", *flags)
    assert result["operations"][0]["destination"] == f"{server.address}/one"


def test_references_are_printed_in_order(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert multi_deploy.main(_both(tmp_path, server)) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert [line.partition("@")[0] for line in lines] == [
        f"{server.address}/team/{name}" for name in ("one:v1", "one:v2", "two:v1", "two:v2")
    ]
    [line] = captured.err.splitlines()
    assert line.startswith("lading: 2 images pushed, 2 of them new or changed (")
    assert "loaded" not in line


def test_a_run_with_nothing_of_its_kind_says_so(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert multi_deploy.main([*_both(tmp_path, server), "--only=load"]) == 0
    assert capsys.readouterr().err == "lading: nothing to do\n"


def test_metadata_file_holds_what_json_prints(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "metadata.json"
    result = _run(capsys, f"--metadata-file={file}", *_both(tmp_path, server))
    assert json.loads(file.read_text()) == result


@pytest.mark.parametrize("arguments", [["extra"], ["--only=sign"], []])
def test_wrong_command_lines_are_usage_errors(arguments: list[str]) -> None:
    with pytest.raises(UsageError):
        multi_deploy.main(arguments)
