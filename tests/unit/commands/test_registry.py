"""`//tools:registry`: copy, inspect, tags, delete, login, against a strict registry."""

from __future__ import annotations

import io
import json
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from lading.commands import registry
from lading.errors import (
    CorruptError,
    DeniedError,
    InputError,
    NotFoundError,
    UnreachableError,
    UsageError,
)
from lading.oci import media_types
from lading.oci.digest import Digest
from lading.registry.push import Job, Pusher
from lading.registry.session import Session
from tests.registry_server import images
from tests.registry_server.faults import Answer, Fault
from tests.registry_server.registry import Registry
from tests.registry_server.server import Server, serve


def _push(server: Server, name: str = "app", tag: str = "v1", size: int = 1000) -> images.Image:
    image = images.manifest(size)
    repository = Session().repository(server.address, name)
    Pusher().run([Job(image.root, image.content, repository, (tag,))])
    server.log.clear()
    return image


def _output(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert registry.main(words) == 0
    return capsys.readouterr().out


def test_copy_within_a_registry_downloads_no_blob(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    image = _push(server)
    out = _output(capsys, "copy", f"{server.address}/app:v1", f"{server.address}/team/copy:v2")
    assert out == f"{server.address}/team/copy:v2@{image.root.digest}\n"
    assert str(server.registry.repositories["team/copy"].tags["v2"]) == str(image.root.digest)
    assert not [line for line in server.lines if line.startswith("GET") and "/blobs/" in line]
    assert [line for line in server.lines if line.startswith("POST")]  # mounts


def test_copy_to_another_registry_and_again(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    image = _push(server)
    with serve() as other:
        words = ("copy", f"{server.address}/app:v1", f"{other.address}/app:v1", "--json")
        first = json.loads(_output(capsys, *words))
        assert first["digest"] == str(image.root.digest)
        assert first["sent"] > 0
        other.log.clear()
        second = json.loads(_output(capsys, *words))
        assert (second["sent"], second["movedTags"]) == (0, [])
        assert len(other.log) == 1


def test_copy_to_a_layout_and_back(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = _push(server)
    place = f"oci:{tmp_path / 'layout'}:x"
    assert _output(capsys, "copy", f"{server.address}/app:v1", place) == f"{place}\n"
    _output(capsys, "copy", place, f"{server.address}/again:v1", "--tag=v2")
    tags = server.registry.repositories["again"].tags
    assert {str(digest) for digest in tags.values()} == {str(image.root.digest)}
    assert sorted(tags) == ["v1", "v2"]


@pytest.mark.parametrize(
    "words",
    [
        ("{}/app:v1", "{}/copy:v1", "--tag=../../other/manifests/v1"),
        ("{}/app:v1", "{}/copy:v1", "--tag=a tag"),
        ("{}/app:v1", "oci:layout:a tag"),
        ("{}/app:v1", "oci:layout", "--tag=a/tag"),
    ],
)
def test_what_is_no_tag_is_told_before_anything_is_asked(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """Of a registry it would be another address, and blobs are sent before the tag is set."""
    monkeypatch.chdir(tmp_path)
    _push(server)
    server.log.clear()
    with pytest.raises(InputError, match="is not a tag"):
        registry.main(["copy", *(word.format(server.address) for word in words)])
    assert server.log == []
    assert list(tmp_path.iterdir()) == []


def test_a_dry_copy_sends_nothing(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    _push(server)
    _output(capsys, "copy", f"{server.address}/app:v1", f"{server.address}/copy:v1", "--dry-run")
    assert not server.registry.repositories.get("copy", None) or not (
        server.registry.repositories["copy"].tags
    )
    assert not [line for line in server.lines if line.split()[0] in ("PUT", "POST", "PATCH")]


def test_inspect_shows_what_it_is(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    image = _push(server)
    text = _output(capsys, "inspect", f"{server.address}/app:v1")
    assert text.splitlines()[0] == str(image.root.digest)
    value = json.loads(_output(capsys, "inspect", f"{server.address}/app:v1", "--json"))
    assert value["descriptor"]["digest"] == str(image.root.digest)
    assert value["document"]["layers"]


_NOTE = "application/spdx+json"


@pytest.mark.parametrize("api", [True, False])
def test_inspect_shows_what_refers_to_it(capsys: pytest.CaptureFixture[str], *, api: bool) -> None:
    with serve(Registry(referrers_api=api)) as server:
        image = _push(server)
        note = images.manifest(5, subject=image.root, artifact_type=_NOTE)
        repository = Session().repository(server.address, "app")
        Pusher().run([Job(note.root, note.content, repository)])
        lines = _output(capsys, "inspect", f"{server.address}/app:v1").splitlines()
        assert lines[-2:] == ["referred to by", f"  {note.root.digest}  {_NOTE}"]
        value = json.loads(_output(capsys, "inspect", f"{server.address}/app:v1", "--json"))
        [found] = value["referrers"]
        assert (found["digest"], found["artifactType"]) == (str(note.root.digest), _NOTE)
        server.log.clear()
        _output(capsys, "inspect", f"{server.address}/app:v1", "--config")
        assert not server.count("GET /v2/app/referrers/")


@pytest.mark.parametrize("status", [404, 405, 406, 501])
def test_inspect_where_there_is_no_list_of_referrers(
    server: Server, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    """The tag that stands for referrers may be the image's own content tag."""
    image = _push(server)
    _push(server, tag=f"sha256-{image.root.digest.hex}")
    server.script.add(Fault("GET", "/referrers/", Answer(status), times=0))
    value = json.loads(_output(capsys, "inspect", f"{server.address}/app:v1", "--json"))
    assert value["referrers"] == []


def test_inspect_where_referrers_are_not_told(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    _push(server)
    server.script.add(Fault("GET", "/referrers/", Answer(403), times=0))
    assert registry.main(["inspect", f"{server.address}/app:v1", "--json"]) == 0
    out, told = capsys.readouterr()
    assert json.loads(out)["referrers"] is None
    assert "what refers to it is not known: cannot list the referrers" in told


def test_a_config_of_many_packets_is_read_whole(
    server: Server, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    image = images.manifest(10, seed="x" * 600_000)
    repository = Session().repository(server.address, "app")
    Pusher().run([Job(image.root, image.content, repository, ("v1",))])
    assert registry.main(["inspect", f"{server.address}/app:v1", "--config"]) == 0
    assert b"x" * 600_000 in capsysbinary.readouterr().out


def test_what_a_registry_says_moves_no_cursor(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    image = _push(server)
    value = json.loads(image.data)
    value["layers"][0]["mediaType"] = "application/\x1b]0;owned\x07"
    data = json.dumps(value).encode()
    place = server.registry.repositories["app"]
    place.manifests[str(Digest.of(data))] = (media_types.MANIFEST, data)
    out = _output(capsys, "inspect", f"{server.address}/app@{Digest.of(data)}")
    assert r"application/\x1b]0;owned\x07" in out
    place.tags["\x1b[2J"] = str(image.root.digest)
    with pytest.raises(CorruptError, match=r"'\\x1b\[2J' is not a tag"):
        registry.main(["tags", f"{server.address}/app"])


def test_tags_are_listed(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    for tag in ("v1", "v2"):
        _push(server, tag=tag)
    assert _output(capsys, "tags", f"{server.address}/app") == "v1\nv2\n"
    server.registry.repositories["app"].tags.clear()
    assert _output(capsys, "tags", f"{server.address}/app") == ""


def test_delete_by_tag_and_by_digest(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    image = _push(server)
    _output(capsys, "delete", f"{server.address}/app:v1", "--dry_run")
    assert "v1" in server.registry.repositories["app"].tags
    _output(capsys, "delete", f"{server.address}/app:v1")
    assert "v1" not in server.registry.repositories["app"].tags
    _output(capsys, "delete", f"{server.address}/app@{image.root.digest}")
    with pytest.raises(NotFoundError, match="there is no"):
        registry.main(["delete", f"{server.address}/app@{image.root.digest}"])


def _login(monkeypatch: pytest.MonkeyPatch, words: Sequence[str], password: str) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(password))
    return registry.main(["login", *words])


@pytest.mark.parametrize("status", [400, 405])
def test_registry_that_deletes_by_digest_only_says_how(server: Server, status: int) -> None:
    image = _push(server)
    server.script.add(Fault("DELETE", "/manifests/v1", Answer(status), times=0))
    with pytest.raises(InputError, match="does not delete tags") as caught:
        registry.main(["delete", f"{server.address}/app:v1"])
    assert "@sha256" in caught.value.fix
    assert server.registry.repositories["app"].tags["v1"] == str(image.root.digest)


def test_a_login_is_tried_and_kept_for_its_owner_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(Registry(basic=("me", "secret"))) as server:
        assert _login(monkeypatch, [server.address, "--username=me"], "secret\n") == 0
        path = tmp_path / "docker/config.json"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert server.address in json.loads(path.read_text())["auths"]
        _push(server)
        assert registry.main(["tags", f"{server.address}/app"]) == 0


def test_a_refused_login_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        serve(Registry(basic=("me", "secret"))) as server,
        pytest.raises(DeniedError, match="refuses this login"),
    ):
        _login(monkeypatch, [server.address, "--username=me"], "wrong")
    assert not (tmp_path / "docker/config.json").exists()


def test_a_login_keeps_what_else_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "docker/config.json"
    path.parent.mkdir()
    path.write_text(
        '{"proxies": {"default": {}}, "auths": {"other.example.com": {"auth": "eA=="}}}'
    )
    with serve(Registry(basic=("me", "secret"))) as server:
        _login(monkeypatch, [server.address, "--username=me"], "secret")
    value = json.loads(path.read_text())
    assert value["proxies"] == {"default": {}}
    assert "other.example.com" in value["auths"]


@pytest.mark.parametrize("text", ['{"auths": [1]}', '{"credHelpers": 1}', '{"auths"', "[]"])
def test_a_login_leaves_a_configuration_alone_that_it_does_not_understand(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "docker/config.json"
    path.parent.mkdir()
    path.write_text(text)
    with serve() as server, pytest.raises((InputError, CorruptError), match=r"config\.json"):
        _login(monkeypatch, [server.address, "--username=me"], "secret")
    assert path.read_text() == text


def test_a_login_follows_a_linked_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "dotfiles.json"
    kept.write_text("{}")
    path = tmp_path / "docker/config.json"
    path.parent.mkdir()
    path.symlink_to(kept)
    with serve(Registry(basic=("me", "secret"))) as server:
        _login(monkeypatch, [server.address, "--username=me"], "secret")
        assert server.address in json.loads(kept.read_text())["auths"]
    assert path.is_symlink()


def test_a_login_goes_to_the_configured_helper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "bin/docker-credential-box"
    helper.parent.mkdir()
    helper.write_text(f'#!/bin/sh\n[ "$1" = store ] && cat >"{tmp_path}/kept"\n')
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{helper.parent}:/usr/bin:/bin")
    path = tmp_path / "docker/config.json"
    path.parent.mkdir()
    path.write_text('{"credsStore": "box"}')
    with serve(Registry(basic=("me", "secret"))) as server:
        _login(monkeypatch, [server.address, "--username=me"], "secret")
        kept = json.loads((tmp_path / "kept").read_text())
        assert kept == {"ServerURL": server.address, "Username": "me", "Secret": "secret"}
    assert "secret" not in path.read_text()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["push"], UsageError),
        (["tags"], UsageError),
        (["tags", "app"], InputError),
        (["delete", "localhost:1/app"], UsageError),
        (["copy", "localhost:1/app:v1"], UsageError),
        (["inspect", "127.0.0.1:1/app:v1"], UnreachableError),
        (["copy", "oci:/nowhere", "localhost:1/app:v1"], NotFoundError),
        (["login", "localhost:1"], UsageError),
        (["tags", "localhost:1/app", "--nope"], UsageError),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_explained(words: list[str], error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        registry.main(words)
    assert len(str(caught.value).splitlines()) <= 2


def test_help_lists_the_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    assert registry.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(verb in out for verb in ("copy", "inspect", "tags", "delete", "login"))
