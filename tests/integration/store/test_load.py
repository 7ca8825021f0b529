"""Stored images in real engines: whole, under the name that was given, or not at all (S1.1-1.2)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from lading.oci.platform import Platform
from lading.store import naming, save
from lading.store.save import Facts
from tests.integration.harness import programs, servers
from tests.integration.harness.launchers import launch, runfile
from tests.unit.store import tiny
from tests.unit.store.damages import DAMAGES
from tests.unit.store.stores import save_image

_NAME = "capy-ubuntu-24.04-gcc13"
_TAG = f"{_NAME}:latest"
_COMMAND = "tools/lading/commands/store/store"
_CLEANUP = "tools/lading/commands/cleanup"


@dataclass(frozen=True)
class Engine:
    """An engine of the test's own, by its client."""

    name: str
    host: str
    client: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)

    def run(self, *words: str | Path) -> str:
        return programs.run([*self.client, *words], env=self.env).strip()

    def images(self) -> set[str]:
        """All names with their ids, those without a name too."""
        if self.name == "containerd":
            return set(self.run("images", "ls").splitlines()[1:])
        listed = self.run(
            "images", "--all", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}"
        )
        return set(listed.splitlines())

    def load(self, store: Path, *words: str) -> subprocess.CompletedProcess[str]:
        flags = [f"--store={store}", f"--daemon={self.name}"]
        if self.host:
            flags.append(f"--host={self.host}")
        return _store("load", *words, *flags, env=self.env)


def _store(*words: str | Path, env: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(runfile(_COMMAND)), *map(str, words)],
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def docker() -> Iterator[Engine]:
    with servers.docker_daemon() as host:
        yield Engine("docker", host, ("docker", "--host", host))


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    programs.need("podman")
    if os.geteuid() != 0:
        pytest.skip("podman without root needs a user namespace of its own")
    directory = tmp_path_factory.mktemp("podman")
    (directory / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{directory}/graph"\nrunroot = "{directory}/run"\n'
    )
    env = {"CONTAINERS_STORAGE_CONF": str(directory / "storage.conf")}
    return Engine("podman", "", ("podman",), env)


@pytest.fixture(scope="module")
def containerd() -> Iterator[Engine]:
    programs.need("containerd", "ctr")
    if os.geteuid() != 0:
        pytest.skip("starting containerd takes root")
    # A short path: a UNIX socket's name has at most 107 bytes.
    directory = Path(tempfile.mkdtemp(prefix="lading-containerd-", dir="/var/tmp"))
    socket = directory / "c.sock"
    (directory / "config.toml").write_text(
        f'version = 2\nroot = "{directory}/root"\nstate = "{directory}/state"\n'
        'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        f'[grpc]\naddress = "{socket}"\n'
    )
    command = ["containerd", "--config", str(directory / "config.toml")]
    try:
        with servers.start(command, directory / "log"):
            servers.wait_until(socket.exists, what="a socket of containerd")
            yield Engine("containerd", str(socket), ("ctr", "--address", str(socket)))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(params=["docker", "podman", "containerd"])
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue(request.param)
    return found


def test_it_is_loaded_under_its_name_and_not_sent_twice(tmp_path: Path, engine: Engine) -> None:
    save_image(tmp_path, text=engine.name)
    result = engine.load(tmp_path, _NAME, "--json")
    assert result.returncode == 0, result.stderr
    first = json.loads(result.stdout)
    [reference] = first["references"]
    assert reference.endswith(_TAG)
    assert first["sentLayers"] > 0
    assert any(_NAME in line for line in engine.images())

    again = engine.load(tmp_path, _NAME, "--json")
    assert json.loads(again.stdout) == {**first, "sentLayers": 0, "sentBytes": 0}
    plain = engine.load(tmp_path, _NAME)
    assert plain.stdout == f"{reference}\n"  # for act -P runner=$(…)
    [shown] = json.loads(_store("list", "--json", f"--store={tmp_path}").stdout)
    assert shown["usage_count"] == 3


def test_it_is_loaded_under_the_name_that_the_user_gives(tmp_path: Path, engine: Engine) -> None:
    save_image(tmp_path, "beast2-debian-13-base", text=engine.name)
    result = engine.load(tmp_path, "beast2-debian-13-base", "--name=localhost/ci/runner:now")
    assert result.stdout == "localhost/ci/runner:now\n"
    assert not any("beast2" in line for line in engine.images())


def test_each_kind_of_damage_is_refused_while_a_stale_image_has_the_name(
    tmp_path: Path, docker: Engine
) -> None:
    """The engine never sees a byte of it, and what it had stays as it was."""
    save_image(tmp_path, text="stale")
    assert docker.load(tmp_path, _NAME).returncode == 0
    before = docker.images()
    stale = docker.run("image", "inspect", "--format", "{{.Id}}", _TAG)
    messages = {}
    for kind, (damage, says) in DAMAGES.items():
        path = save_image(tmp_path, text="new", size=5000).path
        damage(path)
        result = docker.load(tmp_path, _NAME)
        assert (result.returncode, result.stdout) == (5, ""), kind
        _is_plain(result.stderr, says, path)
        messages[kind] = result.stderr.replace(str(path), "")
        assert docker.images() == before, kind
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
    assert len(set(messages.values())) == len(messages)
    assert docker.run("image", "inspect", "--format", "{{.Id}}", _TAG) == stale


@pytest.mark.parametrize("kind", ["cut in the middle", "a damaged layer", "a changed config"])
def test_damage_is_refused_for_every_engine(tmp_path: Path, engine: Engine, kind: str) -> None:
    save_image(tmp_path, text="stale")
    assert engine.load(tmp_path, _NAME).returncode == 0
    before = engine.images()
    path = save_image(tmp_path, text="new", size=5000).path
    damage, says = DAMAGES[kind]
    damage(path)
    result = engine.load(tmp_path, _NAME)
    assert (result.returncode, result.stdout) == (5, "")
    _is_plain(result.stderr, says, path)
    assert engine.images() == before


def test_a_missing_archive_is_not_pulled_and_the_stale_image_is_not_taken(
    tmp_path: Path, engine: Engine
) -> None:
    path = save_image(tmp_path, text="stale").path
    assert engine.load(tmp_path, _NAME).returncode == 0
    before = engine.images()
    path.unlink()
    result = engine.load(tmp_path, _NAME)
    assert (result.returncode, result.stdout) == (4, "")
    _is_plain(result.stderr, "does not exist", path)
    result = engine.load(tmp_path, "busybox")
    assert (result.returncode, result.stdout) == (4, "")
    assert engine.images() == before


def test_an_image_for_another_machine_is_loaded_only_when_it_is_asked_for(
    tmp_path: Path, docker: Engine
) -> None:
    other = Platform("linux", "s390x")
    content = tiny.MemoryContent()
    root = tiny.image(content, [tiny.layer({"a": b"a"})], other)
    save.save(tmp_path, content, root, Facts(naming.parse("capy-debian-13-base")))
    before = docker.images()
    result = docker.load(tmp_path, "capy-debian-13-base")
    assert (result.returncode, result.stdout) == (4, "")
    assert "linux/s390x" in result.stderr
    assert docker.images() == before
    assert docker.load(tmp_path, "capy-debian-13-base", f"--platform={other}").returncode == 0


def test_cleanup_keeps_what_podman_has_a_container_of_without_a_service(
    tmp_path: Path, podman: Engine
) -> None:
    """S1.7: nobody names the engine; that it has images of its own is enough to ask it."""
    save_image(tmp_path, text="in use")
    save_image(tmp_path, "beast2-debian-13-base", text="not in use")
    assert podman.load(tmp_path, _NAME).returncode == 0
    container = podman.run("create", "--pull=never", "--network=none", f"localhost/{_TAG}", "sh")
    words = [str(runfile(_CLEANUP)), f"--store={tmp_path}", "--max-total-size=1", "--json"]
    env = {**os.environ, **podman.env, "DOCKER_HOST": ""}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    podman.run("rm", container)
    assert done.returncode == 9, done.stderr
    assert json.loads(done.stdout)["kept"] == {_NAME: "a container of podman"}
    assert [path.name for path in tmp_path.rglob("*.tar")] == [f"{_NAME}.tar"]


def test_cleanup_keeps_what_has_a_container_in_any_namespace(
    tmp_path: Path, containerd: Engine
) -> None:
    """Loaded for Kubernetes, while the cleanup knows nothing of its namespace."""
    save_image(tmp_path, text="kubernetes")
    kubernetes = replace(containerd, env={"CONTAINERD_NAMESPACE": "k8s.io"})
    loaded = kubernetes.load(tmp_path, _NAME)
    assert loaded.returncode == 0, loaded.stderr
    words = [str(runfile(_CLEANUP)), f"--store={tmp_path}", "--max-total-size=0", "--json"]
    words.append("--daemon=containerd")
    env = {**os.environ, "CONTAINERD_ADDRESS": containerd.host}
    container = ("--namespace", "k8s.io", "containers")
    containerd.run(*container, "create", loaded.stdout.strip(), "job", "/text")
    try:
        kept = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
        assert kept.returncode == 9, kept.stderr
        assert list(json.loads(kept.stdout)["kept"]) == [_NAME]
    finally:
        containerd.run(*container, "rm", "job")
    gone = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert [one["name"] for one in json.loads(gone.stdout)["removed"]] == [_NAME]


def test_what_docker_and_podman_save_is_saved_and_loaded_again(
    tmp_path: Path, docker: Engine, podman: Engine
) -> None:
    save_image(tmp_path, text="round trip")
    for source in (docker, podman):
        assert source.load(tmp_path, _NAME).returncode == 0
        archive = tmp_path / f"{source.name}.tar"
        source.run("save", "--output", archive, _TAG)
        name = f"capy-debian-13-{source.name}"
        result = _store("save", name, archive, f"--store={tmp_path}", "--tool=ninja", "--json")
        assert result.returncode == 0, result.stderr
        assert json.loads(result.stdout)["tools"] == ["ninja"]
        for target in (docker, podman):
            assert target.load(tmp_path, name).returncode == 0, (source.name, target.name)


def test_the_image_of_the_build_is_saved_read_by_others_loaded_and_run(
    tmp_path: Path, docker: Engine
) -> None:
    """bazel run //app:save, and from there without Bazel."""
    programs.need("skopeo")
    env = {"LADING_STORE": str(tmp_path)}
    saved: Any = launch("app/save", env=env)
    digest = runfile("app/image.digest").read_text()
    for transport in ("docker-archive", "oci-archive"):
        assert programs.run(["skopeo", "inspect", f"{transport}:{saved['path']}"])
    copied = f"oci:{tmp_path}/copied:it"
    programs.run(["skopeo", "copy", f"oci-archive:{saved['path']}", copied])
    assert programs.run(["skopeo", "inspect", "--format={{.Digest}}", copied]).strip() == digest

    plan = json.loads(_store("match", "--os=debian-13", "--tool=python3", "--json", env=env).stdout)
    assert (plan["best_image_path"], plan["needs_build"]) == (saved["path"], False)
    result = docker.load(tmp_path, plan["name"])
    assert result.returncode == 0, result.stderr
    command = ["run", "--rm", "--network=none", "--entrypoint=/usr/bin/python3"]
    assert docker.run(*command, result.stdout.strip(), "-c", "print(6 * 7)") == "42"
    # And docker takes the archive by itself, under the same id.
    before = docker.run("image", "inspect", "--format", "{{.Id}}", result.stdout.strip())
    docker.run("image", "rm", "--force", before)
    docker.run("load", "--input", saved["path"])
    assert docker.run("image", "inspect", "--format", "{{.Id}}", result.stdout.strip()) == before


def _is_plain(message: str, says: str, path: Path) -> None:
    lines = [line for line in message.splitlines() if line]
    assert says in message
    assert path.name in message
    assert lines[0].startswith("lading: ")
    assert len(lines) <= 2
