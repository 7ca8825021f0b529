"""One Dockerfile, every builder: Docker's BuildKit, a remote BuildKit, buildah (S2.5).

Real daemons and programs. The remote BuildKit is that of a Docker daemon behind a TCP port;
`remote_buildkit.py` says why.
"""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import subprocess
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from lading.builder import choose, normalise, step
from lading.builder.build import build
from lading.builder.failure import BuildError
from lading.builder.progress import Event
from lading.builder.request import BuildRequest, Secret
from lading.errors import EngineError, InputError, LimitError, StorageError
from lading.layer.compress import Compression
from lading.layer.view import FILE, View
from lading.oci import document, layout
from lading.oci.digest import Digest
from lading.oci.platform import Platform
from lading.store.layout_directory import Layout
from tests.integration.dockerfile.machines import ALL, Machine, normal
from tests.integration.dockerfile.remote_buildkit import remote_buildkit
from tests.integration.dockerfile.watching import Recorder, opened, sleepers, watch_commands
from tests.integration.harness import programs, servers
from tests.integration.harness.launchers import runfile
from tests.registry_server import certificates

_MULTI_STAGE = """\
# syntax=docker/dockerfile:1
ARG BASE=base:1
FROM ${BASE} AS build
ARG GREETING=none
RUN mkdir -p /out/bin && echo "$GREETING" > /out/bin/greeting && chmod 750 /out/bin/greeting
COPY program /out/program

FROM base:1 AS unused
RUN exit 1

FROM base:1
COPY --from=build /out /opt/out
COPY data/ /srv/data/
RUN rm /etc/base-file && rm -r /usr/share/data && mkdir /usr/share/data && \\
    echo new > /usr/share/data/new && ln /usr/share/data/new /hard && \\
    ln -s data/new /usr/share/soft && chmod 700 /root && touch /empty && chown 7:8 /empty
RUN cat /proc/net/dev > /tmp/net && echo "$(wc -l < /tmp/net)" > /interfaces && rm /tmp/net
ENV GREETED=yes
USER 7:8
WORKDIR /srv
LABEL a=b
ENTRYPOINT ["/bin/cat", "/opt/out/bin/greeting"]
"""


def _multi_stage(machine: Machine, directory: Path) -> BuildRequest:
    context = directory / "context"
    (context / "data").mkdir(parents=True)
    for path, mode in {"program": 0o755, "data/one": 0o644, "data/two": 0o600}.items():
        (context / path).write_text(path)
        (context / path).chmod(mode)
    return machine.request(
        context, _MULTI_STAGE, build_args={"GREETING": "hello"}, labels={"l": "m"}, no_cache=True
    )


def _files(result: normalise.Result, output: Path) -> dict[str, tuple[object, ...]]:
    """Every path of the image's file system, with all that a container sees of it."""
    for data in (result.manifest, result.config):
        (output / layout.blob_name(Digest.of(data))).write_bytes(data)
    manifest = document.loads_object(result.manifest, what="the manifest")
    paths = [output / layout.blob_name(Digest.parse(item["digest"])) for item in manifest["layers"]]
    view = View([partial(opened, path) for path in paths])
    return {
        path: (
            node.type, node.mode, node.uid, node.gid, node.link,
            hashlib.sha256(view.read(node, limit=1 << 24)).hexdigest() if node.type == FILE else "",
        )
        for path, node in view.walk()
    }  # fmt: skip


def test_all_builders_give_equal_file_systems(tmp_path: Path, machines: dict[str, Machine]) -> None:
    """And each one the same image from two clean builds, with the base's own layers in it."""
    seen = {}
    for name, machine in machines.items():
        digests = set()
        for turn in ("one", "two"):
            directory = tmp_path / name / turn
            request = _multi_stage(machine, directory)
            archive, output = directory / "image.tar", directory / "out"
            build(machine.builder, request, archive)
            result = normal(request, archive, output)
            digests.add(result.digest)
        assert len(digests) == 1, name
        seen[name] = _files(result, output)
        manifest = document.loads_object(result.manifest, what="manifest")
        own = Layout(machine.base).index().manifests[0]
        kept = document.loads_object(Layout(machine.base).open(own).read(), what="base")["layers"]
        assert manifest["layers"][: len(kept)] == kept, name
        config = document.loads_object(result.config, what="config")
        assert config["config"]["Entrypoint"] == ["/bin/cat", "/opt/out/bin/greeting"]
        assert config["config"]["User"] == "7:8"
        assert {"a": "b", "l": "m"}.items() <= config["config"]["Labels"].items()
        assert "lading-build" not in result.config.decode()
    first = seen[ALL[0]]
    assert first["/opt/out/bin/greeting"][:4] == ("0", 0o750, 0, 0)
    assert first["/empty"][1:4] == (0o644, 7, 8)
    assert first["/interfaces"][5] == hashlib.sha256(b"3\n").hexdigest()  # two titles and lo
    assert "/etc/base-file" not in first
    assert "/usr/share/data/kept" not in first
    for name, files in seen.items():
        assert files == first, name


def test_nothing_is_asked_of_a_registry(tmp_path: Path, machine: Machine) -> None:
    """A base by a registry's own name: no connection; when it is to be pulled, there is one."""
    with Recorder() as (address, connections):
        name = f"{address}/team/base:1"
        text = (
            f"FROM {name} AS a\nRUN touch /x\nFROM scratch\n"
            f"COPY --from=a /x /x\nCOPY --from={name} /etc /etc\n"
        )
        request = machine.request(tmp_path, text, bases={name: machine.base})
        build(machine.builder, request, tmp_path / "image.tar")
        assert connections == []
        with pytest.raises(InputError, match="line 1: FROM"):
            build(machine.builder, replace(request, bases={}), tmp_path / "image.tar")
        assert connections == []
        with pytest.raises(EngineError):
            build(
                machine.builder,
                replace(request, bases={}, allow=frozenset({name})),
                tmp_path / "image.tar",
            )
        assert connections != []


def test_a_secret_is_used_and_is_nowhere(tmp_path: Path, machine: Machine) -> None:
    secret = "correct-horse-battery"  # a test's own
    (tmp_path / "token").write_text(secret)
    os.environ["LADING_TEST_TOKEN"] = secret + "-2"
    text = (
        "FROM base:1\n"
        "RUN --mount=type=secret,id=one --mount=type=secret,id=two "
        "cat /run/secrets/one /run/secrets/two && wc -c < /run/secrets/one > /length\n"
    )
    secrets = (Secret("one", tmp_path / "token"), Secret("two", env="LADING_TEST_TOKEN"))
    request = machine.request(tmp_path / "context", text, secrets=secrets, no_cache=True)
    events: list[Event] = []
    commands: list[str] = []
    watch = threading.Event()
    watcher = threading.Thread(target=watch_commands, args=(commands, watch))
    watcher.start()
    try:
        build(machine.builder, request, tmp_path / "image.tar", events.append)
    finally:
        watch.set()
        watcher.join()
        del os.environ["LADING_TEST_TOKEN"]
    told = "\n".join(event.to_json() for event in events)
    assert "***" in told
    assert secret not in told
    assert any("--secret=id=one" in command for command in commands)
    assert not [command for command in commands if secret in command]
    result = normal(request, tmp_path / "image.tar", tmp_path / "out")
    files = _files(result, tmp_path / "out")
    assert files["/length"][5] == hashlib.sha256(b"21\n").hexdigest()
    assert not [path for path, node in files.items() if "secrets/" in path and node[5]]
    assert secret.encode() not in result.config + (tmp_path / "image.tar").read_bytes()


def test_a_failing_instruction_names_its_line_and_status(tmp_path: Path, machine: Machine) -> None:
    (tmp_path / "image.tar").write_text("the old one")
    text = "FROM base:1\nENV A=1\n\nRUN echo before; \\\n  exit 3\nRUN echo after\n"
    events: list[Event] = []
    with pytest.raises(BuildError) as caught:
        build(
            machine.builder, machine.request(tmp_path / "context", text),
            tmp_path / "image.tar", events.append,
        )  # fmt: skip
    assert (caught.value.line, caught.value.status) == (4, 3)
    assert caught.value.what.startswith("Dockerfile, line 4 failed with exit status 3")
    assert [event.text for event in events if event.status == "output"].count("before") == 1
    assert (tmp_path / "image.tar").read_text() == "the old one"


def test_a_missing_file_of_the_context_names_its_line(tmp_path: Path, machine: Machine) -> None:
    with pytest.raises(BuildError, match="nowhere") as caught:
        build(
            machine.builder, machine.request(tmp_path, "FROM base:1\nCOPY nowhere /\n"),
            tmp_path / "image.tar",
        )  # fmt: skip
    assert caught.value.line == 2
    assert not (tmp_path / "image.tar").exists()


def test_progress_comes_while_it_runs(tmp_path: Path, machine: Machine) -> None:
    times: list[tuple[float, Event]] = []
    text = "FROM base:1\nRUN echo first; sleep 1.5; echo second\n"
    request = machine.request(tmp_path, text, no_cache=True)
    build(
        machine.builder, request, tmp_path / "image.tar",
        lambda event: times.append((time.monotonic(), event)),
    )  # fmt: skip
    end = time.monotonic()
    at = {event.text: moment for moment, event in times if event.status == "output"}
    assert times[0][1].status == "info"
    assert end - at["first"] > 1.4
    assert at["second"] - at["first"] > 1
    assert {"started", "done"} <= {event.status for _, event in times}


def test_when_the_time_is_over_nothing_is_left_running(tmp_path: Path, machine: Machine) -> None:
    mark = f"1{os.getpid()}.25"
    request = machine.request(tmp_path, f"FROM base:1\nRUN sleep {mark}\n")
    started = threading.Event()

    def on_event(event: Event) -> None:
        if event.status == "started" and "RUN" in event.name:
            started.set()

    with pytest.raises(LimitError, match="did not end within 4 s"):
        build(machine.builder, replace(request, timeout=4), tmp_path / "image.tar", on_event)
    assert started.is_set()
    servers.wait_until(lambda: not sleepers(mark), what="the end of the instruction", timeout=20)
    assert not (tmp_path / "image.tar").exists()


def test_a_command_is_the_same_layer_with_each_builder(
    tmp_path: Path, machines: dict[str, Machine]
) -> None:
    """It installs, changes and deletes; what builders put beside is not in it (issue 6, item 6)."""
    script = (
        "cp /inputs/tool /bin/tool && chmod 4755 /bin/tool && rm /etc/base-file && "
        "chmod 600 /usr/share/data/kept && mkdir -p /var/lib/x && "
        "echo $WHERE > /var/lib/x/where && rm -r /root /usr/share/old && "
        "mkdir -p /usr/share/old/sub && echo new > /usr/share/old/sub/new"
    )
    digests, names = set(), set()
    for name, machine in machines.items():
        for turn in ("one", "two"):
            context = tmp_path / name / turn
            (context / "inputs").mkdir(parents=True)
            (context / "inputs" / "tool").write_text("a tool")
            request = BuildRequest(context, bases={"base": machine.base}, no_cache=True)
            wanted = step.Step(["/bin/sh", "-c", script], {"WHERE": 'a "$b" c'})
            output = context / "out"
            blob = step.run(
                machine.builder, wanted, request, output, what="it", compression=Compression("gzip")
            )
            digests.add(blob.digest)
            names.add(
                programs.run(["tar", "-tzf", output / layout.blob_name(Digest.parse(blob.digest))])
            )
    assert len(digests) == 1
    assert set(names.pop().split()) == {
        ".wh.root", "bin/tool", "etc/.wh.base-file", "usr/share/data/kept", "var/", "var/lib/",
        "var/lib/x/", "var/lib/x/where", "usr/share/old/.wh.gone", "usr/share/old/sub/.wh.gone",
        "usr/share/old/sub/new",
    }  # fmt: skip


def test_the_daemon_is_left_as_it_was(
    docker: str, tmp_path: Path, machines: dict[str, Machine]
) -> None:
    machine = machines["docker"]
    before = programs.run(["docker", "--host", docker, "images", "--all", "--no-trunc"])
    build(
        machine.builder,
        machine.request(tmp_path, "FROM base:1\nRUN touch /x\n"),
        tmp_path / "i.tar",
    )
    with pytest.raises(BuildError):
        build(
            machine.builder,
            machine.request(tmp_path, "FROM base:1\nRUN exit 1\n"),
            tmp_path / "i.tar",
        )
    assert programs.run(["docker", "--host", docker, "images", "--all", "--no-trunc"]) == before
    assert "lading" not in before


def test_a_buildkit_behind_tls(tmp_path: Path, containerd: str, base: Path) -> None:
    """It and lading show each other certificates; without ours there is no build."""
    tls = certificates.server_context()
    tls.load_verify_locations(certificates.AUTHORITY)
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.set_alpn_protocols(["h2"])
    for source, name in {
        certificates.AUTHORITY: "ca.pem",
        certificates.CERTIFICATE: "cert.pem",
        certificates.KEY: "key.pem",
    }.items():
        (tmp_path / name).write_bytes(source.read_bytes())
    with remote_buildkit(containerd.removeprefix("unix://"), tls) as address:
        known = choose.find("buildkit", address=address, certificates=tmp_path)
        machine = Machine("buildkit", known, base)
        request = machine.request(tmp_path / "c", "FROM base:1\nRUN touch /x\n")
        build(machine.builder, request, tmp_path / "image.tar")
        assert (tmp_path / "image.tar").exists()
        unknown = choose.find("buildkit", address=address)
        with pytest.raises((EngineError, LimitError)):  # buildx tries for 20 s
            build(unknown, replace(request, timeout=6), tmp_path / "none.tar")
        assert not (tmp_path / "none.tar").exists()


@pytest.mark.parametrize("name", ["docker", "buildkit", "buildah"])
def test_an_image_for_another_machine(
    tmp_path: Path, machines: dict[str, Machine], name: str
) -> None:
    """Nothing runs in it, so no emulation is needed."""
    machine, platform = machines[name], Platform("linux", "riscv64")
    request = machine.request(
        tmp_path, "FROM scratch\nCOPY Dockerfile /x\n", bases={}, platform=platform
    )
    build(machine.builder, request, tmp_path / "image.tar")
    assert normal(request, tmp_path / "image.tar", tmp_path / "out").platform == platform


@pytest.mark.parametrize("architecture", ["amd64", "arm64", "riscv64"])
@pytest.mark.parametrize("name", ALL)
def test_a_variable_of_the_platform_chooses_a_stage(
    tmp_path: Path, machines: dict[str, Machine], name: str, architecture: str
) -> None:
    """Every builder takes the stage that lading has checked (issue 6, item 3)."""
    text = "FROM --platform=$BUILDPLATFORM base:1 AS build\nRUN echo here > /made\n"
    for each in ("amd64", "arm64", "riscv64"):
        text += f"FROM scratch AS for-{each}\nCOPY Dockerfile /{each}\n"
    text += "FROM for-${TARGETARCH}${TARGETVARIANT}\nCOPY --from=build /made /made\n"
    machine, platform = machines[name], Platform("linux", architecture)
    request = machine.request(tmp_path / "c", text, platform=platform)
    build(machine.builder, request, tmp_path / "image.tar")
    result = normal(request, tmp_path / "image.tar", tmp_path / "out")
    assert {f"/{architecture}", "/made"} == set(_files(result, tmp_path / "out"))


def test_the_command_prints_progress_as_it_comes_and_keeps_the_old_image(
    tmp_path: Path, base: Path, docker: str
) -> None:
    """S3.4: lines of JSON, the first before the build ends."""
    context = tmp_path / "context"
    context.mkdir()
    command: list[str | Path] = [
        runfile("tools/lading/commands/build"), context, f"--output={tmp_path}/layout", "--tag=v1",
        f"--base=base:1={base}", "--builder=docker", f"--address={docker}", "--json", "--no-cache",
    ]  # fmt: skip

    def run(text: str) -> tuple[int, list[tuple[float, dict[str, str]]]]:
        (context / "Dockerfile").write_text(text)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            lines = [(time.monotonic(), json.loads(line)) for line in process.stdout]
        return process.returncode, lines

    code, lines = run("FROM base:1\nRUN echo a; sleep 1.5\n")
    assert code == 0
    assert lines[-1][0] - lines[0][0] > 1.5
    assert {"started", "output", "done"} <= {line["status"] for _, line in lines}
    digest = lines[-1][1]["digest"]
    assert lines[-1][1]["reference"] == f"oci:{tmp_path}/layout:v1"

    code, lines = run("FROM base:1\nRUN exit 4\n")
    assert code == 10
    assert lines[-1][1]["status"] == "error"
    assert "line 2 failed with exit status 4" in lines[-1][1]["text"]
    assert str(Layout(tmp_path / "layout").index().find("v1").digest) == digest


@pytest.mark.parametrize("name", ["docker", "buildah"])
def test_a_build_does_not_outlive_who_asked_for_it(
    tmp_path: Path, docker: str, base: Path, name: str
) -> None:
    """Killed, not asked to end: Bazel does that to actions that take their time."""
    mark = f"2{os.getpid()}.25"
    (tmp_path / "Dockerfile").write_text(f"FROM base:1\nRUN sleep {mark}\n")
    address = [f"--address={docker}"] if name == "docker" else []
    command: list[str | Path] = [
        runfile("tools/lading/commands/build"), tmp_path, f"--output={tmp_path}/layout",
        f"--base=base:1={base}", f"--builder={name}", *address,
    ]  # fmt: skip
    (tmp_path / "scratch").mkdir()
    env = {**os.environ, "TMPDIR": str(tmp_path / "scratch")}
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL) as process:
        servers.wait_until(lambda: bool(sleepers(mark)), what="the instruction")
        process.kill()
    servers.wait_until(lambda: not sleepers(mark), what="the end of the instruction", timeout=30)
    assert not (tmp_path / "layout").exists()


def test_a_builder_that_dies_midway(tmp_path: Path, base: Path) -> None:
    """The daemon is killed while an instruction runs."""
    with servers.docker_daemon(own=True) as host:
        machine = Machine("docker", choose.find("docker", address=host), base)
        pid = int((Path(host.removeprefix("unix://")).parent / "docker.pid").read_text())

        def on_event(event: Event) -> None:
            if event.status == "output" and event.text == "running":
                os.kill(pid, 9)

        (tmp_path / "image.tar").write_text("the old one")
        request = machine.request(tmp_path / "c", "FROM base:1\nRUN echo running; sleep 30\n")
        with pytest.raises(EngineError, match=r"went away|does not answer") as caught:
            build(machine.builder, request, tmp_path / "image.tar", on_event)
        assert not isinstance(caught.value, BuildError)
        assert (tmp_path / "image.tar").read_text() == "the old one"
    with pytest.raises(EngineError, match="no Docker daemon answers"):
        build(machine.builder, request, tmp_path / "image.tar")


def test_no_space(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """buildah keeps its data in $TMPDIR: here a file system of a few MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting takes root")
    small = tmp_path / "small"
    small.mkdir()
    programs.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", small])
    try:
        monkeypatch.setattr("tempfile.tempdir", str(small))
        machine = Machine("buildah", choose.find("buildah"), base)
        request = machine.request(tmp_path / "c", "FROM base:1\nRUN cat /dev/zero > /big\n")
        (tmp_path / "image.tar").write_text("the old one")
        with pytest.raises(StorageError, match=r"line 2 failed: .*[Nn]o space left"):
            build(machine.builder, request, tmp_path / "image.tar")
        assert (tmp_path / "image.tar").read_text() == "the old one"
        assert list(small.iterdir()) == []
    finally:
        programs.run(["umount", "--lazy", small])
