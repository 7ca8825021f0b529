"""How instructions run and what is remembered, as a request says it, with every builder (S3.3)."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path

import pytest

from lading.builder.build import build
from lading.commands.anywhere import opened
from lading.errors import EngineError
from lading.oci.content import read_document
from lading.registry.push import Job, Pusher
from lading.registry.session import Session
from tests.integration.dockerfile.machines import Machine, texts
from tests.integration.harness import programs, servers
from tests.integration.harness.launchers import runfile
from tests.unit.store import tiny


def test_limits_memory_and_hosts_are_those_asked_for(tmp_path: Path, machine: Machine) -> None:
    """S3.3: ulimits, shmSize, extraHosts."""
    text = (
        "FROM base:1\n"
        "RUN ulimit -Sn > /soft && ulimit -Hn > /hard && cat /proc/mounts > /mounts && "
        "cat /etc/hosts > /known\n"
    )
    request = machine.request(
        tmp_path / "context", text,
        ulimits={"nofile": "123:456"}, shm_size=5 << 20, extra_hosts={"db.test": "192.0.2.7"},
    )  # fmt: skip
    build(machine.builder, request, tmp_path / "image.tar")
    names = ["/soft", "/hard", "/mounts", "/known"]
    soft, hard, mounts, known = texts(request, tmp_path / "image.tar", tmp_path / "out", *names)
    assert (soft, hard) == ("123\n", "456\n")
    assert ["192.0.2.7", "db.test"] in [line.split() for line in known.splitlines()]
    if machine.name != "buildah":  # whose chroot isolation has the machine's own
        shm = next(line for line in mounts.splitlines() if " /dev/shm " in line)
        assert "size=5120k" in shm


@pytest.mark.parametrize("kind", ["local", "registry"])
def test_a_cache_elsewhere_is_used_when_the_builder_has_forgotten(
    tmp_path: Path, machines: dict[str, Machine], containerd: str, kind: str
) -> None:
    """S3.3: cacheFrom, cacheTo. What a command made at random shows whether it ran again."""
    text = "FROM base:1\nRUN cat /proc/sys/kernel/random/uuid > /uuid\n"
    machine = machines["buildkit"]
    with contextlib.ExitStack() as stack:
        if kind == "registry":
            host = stack.enter_context(servers.docker_registry(tmp_path))
            source = target = f"type=registry,ref={host}/cache/app:1,registry.insecure=true"
        else:
            source, target = (f"type=local,{key}={tmp_path}/cache" for key in ("src", "dest"))
        seen = []
        wanted: list[dict[str, object]] = [{"cache_to": (target,)}, {"cache_from": (source,)}, {}]
        for number, fields in enumerate(wanted):
            programs.run(["docker", "--host", containerd, "builder", "prune", "--all", "--force"])
            directory = tmp_path / str(number)
            request = machine.request(directory / "context", text, **fields)
            build(machine.builder, request, directory / "image.tar")
            seen.append(texts(request, directory / "image.tar", directory / "out", "/uuid"))
    assert seen[0] == seen[1] != seen[2]


def test_buildah_says_that_it_has_no_cache(tmp_path: Path, machines: dict[str, Machine]) -> None:
    machine = machines["buildah"]
    text = "FROM base:1\nRUN touch /x\n"
    fields: list[dict[str, object]] = [
        {"cache_from": ("team/app",)},
        {"entitlements": frozenset({"security.insecure"})},
    ]
    for one in fields:
        request = machine.request(tmp_path, text, **one)
        with pytest.raises(EngineError, match="buildah has no"):
            build(machine.builder, request, tmp_path / "image.tar")


@pytest.mark.parametrize("name", ["docker", "buildkit"])
def test_what_the_builder_does_not_allow_is_told(
    tmp_path: Path, machines: dict[str, Machine], name: str
) -> None:
    """S3.3: entitlements, privileged. A BuildKit that is not configured for it refuses."""
    text = "FROM base:1\nRUN --security=insecure touch /x\n"
    request = machines[name].request(tmp_path, text, entitlements=frozenset({"security.insecure"}))
    with pytest.raises(EngineError, match=r"security\.insecure is not allowed"):
        build(machines[name].builder, request, tmp_path / "image.tar")


@pytest.mark.parametrize("name", ["docker", "buildkit"])
def test_pull_leaves_the_bases_that_are_given(
    tmp_path: Path, machines: dict[str, Machine], name: str
) -> None:
    """S3.3: pull is about images that the builder may fetch; a base is here and nowhere else."""
    machine, text = machines[name], "FROM base:1\nRUN touch /x\n"
    build(machine.builder, machine.request(tmp_path, text, pull=True), tmp_path / "image.tar")
    assert (tmp_path / "image.tar").exists()


def test_docker_asks_again_for_an_image_that_it_has(
    tmp_path: Path, machines: dict[str, Machine], docker: str
) -> None:
    """S3.3: pull. Without containerd, lent bases stand in the way, and that is told."""
    machine = machines["docker"]
    with servers.docker_registry(tmp_path) as host:
        name = f"{host}/team/moving:1"
        seen = []
        for number, pull in enumerate([False, False, True]):
            content = tiny.MemoryContent()
            root = tiny.image(content, [tiny.layer({"n": str(number).encode()})])
            target = Session().repository(host, "team/moving")
            Pusher().run([Job(root, content, target, ("1",))])
            if not number:
                programs.run(["docker", "--host", docker, "pull", name])
            directory = tmp_path / str(number)
            text = f"FROM {name}\nCOPY Dockerfile /x\n"
            fields = {"bases": {}, "allow": frozenset({name}), "pull": pull}
            request = machine.request(directory / "context", text, **fields)
            build(machine.builder, request, directory / "image.tar")
            seen += texts(request, directory / "image.tar", directory / "out", "/n")
    assert seen == ["0", "0", "2"]
    text = f"FROM base:1\nCOPY --from={name} /n /n\n"
    request = machine.request(tmp_path / "c", text, allow=frozenset({name}), pull=True)
    with pytest.raises(EngineError, match="cannot ask for images anew"):
        build(machine.builder, request, tmp_path / "image.tar")


def test_the_command_builds_for_platforms_and_pushes_and_loads(tmp_path: Path) -> None:
    """S3.3: platforms, push, load. Nothing runs in the image, so no emulation is needed."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /x\n")
    with servers.docker_registry(tmp_path) as host, servers.docker_daemon() as docker:
        pushed, loaded = f"{host}/team/app:1", "lading.test/built:1"
        env = {"DOCKER_HOST": docker}
        said = programs.run(
            [
                runfile("tools/lading/commands/build"), tmp_path, f"--output={tmp_path}/layout",
                "--platform=linux/amd64", "--platform=linux/arm64", "--builder=docker",
                f"--push={pushed}", f"--load={loaded}", "--tag=v1", "--json",
            ],
            env=env,
        )  # fmt: skip
        result = json.loads(said.splitlines()[-1])
        shown = json.loads(programs.run(["docker", "image", "inspect", loaded], env=env))
        programs.run(["docker", "image", "rm", loaded], env=env)
        with opened(pushed, Session) as found:
            index = json.loads(read_document(found.content, found.root))
    references = [f"oci:{tmp_path}/layout:v1", f"{pushed}@{result['digest']}", loaded]
    assert result["references"] == references
    assert shown[0]["Os"] == "linux"
    assert str(found.root.digest) == result["digest"]
    assert [item["platform"]["architecture"] for item in index["manifests"]] == ["amd64", "arm64"]


def test_the_command_checks_where_to_push_before_it_builds(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /x\n")
    digest = "sha256:" + "0" * 64
    command = [str(runfile("tools/lading/commands/build")), str(tmp_path)]
    command += [f"--output={tmp_path}/layout", f"--push=registry.test/app@{digest}"]
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (failed.returncode, "name a tag" in failed.stderr) == (2, True)
    assert not (tmp_path / "layout").exists()
