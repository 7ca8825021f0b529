"""A project of rules_img's shape, in a workspace of its own, with real registries and engines."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import programs, servers
from tests.integration.harness.launchers import launch
from tests.integration.harness.nested_bazel import NestedBazel, nested_bazel, workspace

_STATUS = """#!/bin/sh
echo STABLE_VERSION "$(cat {directory}/version)"
echo BUILD_NUMBER "$(cat {directory}/number)"
"""


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="lading-example-", dir=os.environ["TEST_TMPDIR"]))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def registry(directory: Path) -> Iterator[str]:
    with servers.docker_registry(directory) as address:
        yield address


@pytest.fixture(scope="module")
def base(registry: str) -> str:
    """Pushes the base; returns its digest."""
    target = "tests/integration/images/push_base"
    return str(launch(target, f"--registry={registry}")["digest"])


@pytest.fixture(scope="module")
def bazel(directory: Path, registry: str, base: str) -> Iterator[NestedBazel]:
    """The example's workspace; the images that it pulls are not pinned yet."""
    source, project = workspace() / "tests/integration/images/example", directory / "project"
    shutil.copytree(source, project)
    text = (source / "MODULE.bazel.in").read_text()
    for name, value in (
        ("@LADING@", str(workspace())),
        ("@REGISTRY@", registry),
        ("@DIGEST@", base),
    ):
        text = text.replace(name, value)
    (project / "MODULE.bazel").write_text(text)
    (directory / "number").write_text("7")
    (directory / "version").write_text("1.2")
    status = directory / "status.sh"
    status.write_text(_STATUS.format(directory=directory))
    status.chmod(0o755)
    (project / ".bazelrc").write_text(
        f"build --stamp --workspace_status_command={status}\nbuild --color=no --curses=no\n"
    )
    with nested_bazel(directory / "output_base", directory=project) as nested:
        yield nested


@pytest.fixture(scope="module")
def locked(bazel: NestedBazel) -> NestedBazel:
    """The workspace after what its first failure said to run."""
    done = bazel.run("build", "//:app")
    assert done.returncode != 0
    assert "team/base:1 is not pinned" in done.stderr
    assert "run: bazel run @lading//tools:lock" in done.stderr
    done = bazel.run("run", "@lading//tools:lock")
    assert done.returncode == 0, done.stderr
    return bazel


def _outputs(bazel: NestedBazel, *targets: str, options: tuple[str, ...] = ()) -> Path:
    done = bazel.run("build", *options, *targets)
    assert done.returncode == 0, done.stderr
    return Path(bazel.run("info", "bazel-bin").stdout.strip())


def _json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def test_a_lock_file_pins_the_tag(locked: NestedBazel, registry: str, base: str) -> None:
    lock = _json(locked.directory / "images.lock.json")
    assert lock == {"format": 1, "images": {f"{registry}/team/base:1": base}}


def test_a_damaged_lock_file_is_written_anew_when_it_is_gone(locked: NestedBazel) -> None:
    file = locked.directory / "images.lock.json"
    before = file.read_text()
    file.write_text("{")
    done = locked.run("run", "@lading//tools:lock")
    assert done.returncode != 0
    assert "remove it, and run: bazel run @lading//tools:lock" in done.stderr
    file.unlink()
    done = locked.run("run", "@lading//tools:lock")
    assert done.returncode == 0, done.stderr
    assert file.read_text() == before


def test_a_tag_alone_prints_the_command_that_pins_it(bazel: NestedBazel, base: str) -> None:
    done = bazel.run("build", "@unpinned")
    assert done.returncode != 0
    command = f"buildozer 'set digest \"{base}\"' //MODULE.bazel:unpinned"
    assert f"it is {base} now; to pin that, run: {command}" in done.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_registry", "registry is empty"),
        ("no_digest", "neither digest nor tag is given"),
        ("bad_digest", 'digest "sha256:abc" is none'),
        ("bad_repository", 'repository "Team/base" has a component'),
        ("missing", "sha256:0000000000"),
    ],
)
def test_a_pull_that_cannot_work_says_why(bazel: NestedBazel, name: str, message: str) -> None:
    done = bazel.run("build", f"@{name}")
    assert done.returncode != 0
    assert message in done.stderr
    assert 'File "<string>"' not in done.stderr, "a traceback of Python"


def test_the_image_has_what_the_base_and_the_project_say(locked: NestedBazel) -> None:
    config = _json(_outputs(locked, "//:app") / "app.config.json")
    assert config["author"] == "somebody"
    assert config["config"] == {
        "Cmd": ["--port=8080"],
        "Entrypoint": ["/usr/bin/program"],
        "Env": ["PATH=/usr/bin:/bin:/app", "APP_ENV=dev"],
        "ExposedPorts": {"8080/tcp": {}, "9090/tcp": {}},
        "Healthcheck": {"Test": ["CMD", "/usr/bin/program", "--health"]},
        "Labels": {
            "architecture": "amd64",
            "from": "base",
            "org.opencontainers.image.source": "https://example.com/app",
            "team": "lading",
            "version": "1.2",
        },
        "OnBuild": ["RUN true"],
        "Shell": ["/bin/sh", "-c"],
        "StopSignal": "SIGINT",
        "User": "1000:1000",
        "Volumes": {"/data": {}},
        "WorkingDir": "/app",
    }
    assert "//" not in json.dumps(config["history"])


def test_a_shallow_base_brings_no_layer(locked: NestedBazel) -> None:
    _outputs(locked, "//:app")
    [pulled] = (locked.output_base / "external").glob("*images~base")
    layers = [_json(path) for path in pulled.glob("*/layer*.json")]
    assert len(layers) == 2
    for layer in layers:
        assert not (pulled / "blobs" / layer["digest"][7:]).exists()
    done = locked.run("build", "//:app", "--output_groups=oci_layout")
    assert done.returncode != 0
    assert 'set layer_handling = "eager"' in done.stderr


@pytest.mark.parametrize("name", ["eager", "lazy"])
def test_an_eager_or_lazy_base_is_a_whole_layout(
    locked: NestedBazel, directory: Path, base: str, name: str
) -> None:
    """Eager: with the repository, past a mirror that is down. Lazy: in build actions."""
    programs.need("skopeo", "umoci")
    output = _outputs(locked, f"@{name}", options=("--output_groups=oci_layout",))
    [layout] = output.glob(f"external/*{name}/image.oci")
    root = _json(layout / "index.json")["manifests"][0]
    assert root["digest"] == base
    every, one = directory / f"every-{name}", directory / f"one-{name}"
    programs.run(["skopeo", "copy", "--all", f"oci:{layout}", f"oci:{every}:x"])
    programs.run(["skopeo", "copy", f"oci:{layout}", f"oci:{one}:x"])
    programs.run(["umoci", "unpack", "--rootless", f"--image={one}:x", directory / f"un-{name}"])
    assert (directory / f"un-{name}/rootfs/etc/base").is_file()


def test_the_index_is_pushed_under_the_tags_of_this_very_build(
    locked: NestedBazel, directory: Path, registry: str
) -> None:
    programs.need("skopeo", "crane")
    found = []
    for number in ("8", "9"):
        (directory / "number").write_text(number)
        done = locked.run("run", "//:push", "--", f"--registry={registry}", "--json")
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    assert [item["tags"] for item in found] == [
        ["latest", "1.2", "build-8"],
        ["latest", "1.2", "build-9"],
    ]
    # A number that is only in a tag changes no image.
    assert found[0]["digest"] == found[1]["digest"]
    assert found[0]["mounted"] >= 1, "the base's layers are mounted, not sent"
    name = f"{registry}/team/dev/app:build-9"
    raw = programs.run(["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}"])
    index = json.loads(raw)
    assert index["annotations"] == {"org.opencontainers.image.title": "app for dev"}
    assert [item["platform"] for item in index["manifests"]] == [
        {"architecture": "amd64", "os": "linux"},
        {"architecture": "arm64", "os": "linux", "variant": "v8"},
    ]
    programs.run(["crane", "validate", "--insecure", f"--remote={name}"])


def test_a_stable_key_that_changes_is_in_the_next_image(
    locked: NestedBazel, directory: Path
) -> None:
    try:
        for version in ("1.3", "1.2"):
            (directory / "version").write_text(version)
            config = _json(_outputs(locked, "//:app") / "app.config.json")
            assert config["config"]["Labels"]["version"] == version
    finally:
        (directory / "version").write_text("1.2")


def test_bases_by_the_function_of_rules_img(locked: NestedBazel) -> None:
    """One of them is of a registry that is not there, and replaced by `override_repo`."""
    output = _outputs(locked, "//hub:all")
    names = ("named", "unnamed", "replaced")
    named, unnamed, replaced = ((output / f"hub/{name}.digest").read_text() for name in names)
    assert named == unnamed == replaced


def test_the_creation_time_can_be_that_of_the_build(locked: NestedBazel) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    config = _json(_outputs(locked, "//:dated", options=("--nostamp",)) / "dated.config.json")
    created = datetime.fromisoformat(config["created"])
    assert before - timedelta(minutes=5) <= created <= datetime.now(UTC)
    assert config["history"][-1]["created"] == config["created"]


def test_without_stamping_the_variables_that_there_are_are_listed(locked: NestedBazel) -> None:
    done = locked.run("build", "--nostamp", "//:app")
    assert done.returncode != 0
    assert "{{.STABLE_VERSION}}" in done.stderr
    assert "there are .base, .environment" in done.stderr


def test_a_layout_is_pushed_as_rules_oci_pushes_its_own(
    locked: NestedBazel, registry: str, base: str
) -> None:
    """rules_oci's oci_push hands the directory to crane."""
    programs.need("crane")
    output = _outputs(locked, "@eager", options=("--output_groups=oci_layout",))
    [layout] = output.glob("external/*eager/image.oci")
    name = f"{registry}/team/by-crane:1"
    programs.run(["crane", "push", "--insecure", layout, name])
    assert programs.run(["crane", "digest", "--insecure", name]).strip() == base


def test_a_pulled_image_is_pushed_elsewhere_as_it_is(
    locked: NestedBazel, registry: str, base: str
) -> None:
    """Its layers are nowhere on this machine."""
    programs.need("crane")
    done = locked.run("run", "//:mirror", "--", f"--registry={registry}", "--json")
    assert done.returncode == 0, done.stderr
    name = f"{registry}/mirror/base:1"
    assert programs.run(["crane", "digest", "--insecure", name]).strip() == base
    programs.run(["crane", "validate", "--insecure", f"--remote={name}"])


def test_podman_takes_a_layout(locked: NestedBazel, directory: Path) -> None:
    programs.need("podman")
    output = _outputs(locked, "@eager", options=("--output_groups=oci_layout",))
    [layout] = output.glob("external/*eager/image.oci")
    storage = directory / "podman"
    podman = ["podman", f"--root={storage}/root", f"--runroot={storage}/run"]
    podman += ["--storage-driver=vfs"]
    image = programs.run([*podman, "pull", "--quiet", f"oci:{layout}"]).strip()
    [shown] = json.loads(programs.run([*podman, "image", "inspect", image]))
    assert shown["Config"]["Labels"] == {"from": "base"}
    assert shown["Config"]["Env"] == ["PATH=/usr/bin:/bin"]
    programs.run([*podman, "image", "rm", "--force", image])


def test_docker_shows_each_attribute(locked: NestedBazel) -> None:
    with servers.docker_daemon() as host:
        env = {"DOCKER_HOST": host}
        nested = NestedBazel(locked.directory, locked.output_base, env)
        done = nested.run("run", "//:load")
        assert done.returncode == 0, done.stderr
        names = ["example/app:1.2", "registry.example.com/team/app:1.2"]
        shown = programs.run(["docker", "image", "inspect", *names], env=env)
        programs.run(["docker", "image", "rm", *names], env=env)
    [image, same] = json.loads(shown)
    assert same["Id"] == image["Id"]
    assert (image["Os"], image["Architecture"]) == ("linux", "amd64")
    config = image["Config"]
    assert config["User"] == "1000:1000"
    assert config["WorkingDir"] == "/app"
    assert config["Entrypoint"] == ["/usr/bin/program"]
    assert config["Cmd"] == ["--port=8080"]
    assert config["Env"] == ["PATH=/usr/bin:/bin:/app", "APP_ENV=dev"]
    assert config["StopSignal"] == "SIGINT"
    assert set(config["ExposedPorts"]) == {"8080/tcp", "9090/tcp"}
    assert set(config["Volumes"]) == {"/data"}
    assert config["Labels"]["from"] == "base"
    assert config["Labels"]["version"] == "1.2"
    assert config["Healthcheck"]["Test"][-1] == "--health"
    assert config["OnBuild"] == ["RUN true"]
    assert config["Shell"] == ["/bin/sh", "-c"]
    assert len(image["RootFS"]["Layers"]) == 2
