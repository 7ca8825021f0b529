"""Images of what a real Nix builds in a store of its own, without a network (S2.3, S2.4)."""

from __future__ import annotations

import json
import os
import platform
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import programs, servers
from tests.integration.harness.nested_bazel import NestedBazel, nested_bazel, workspace

_MODULE = """\
module(name = "nix_project")

bazel_dep(name = "lading", version = "0.1.0")
local_path_override(
    module_name = "lading",
    path = "{lading}",
)

nix_closure = use_repo_rule("@lading//rules:nix.bzl", "nix_closure")

nix_closure(
    name = "built",
    file = "//:app.nix",
    images = {{"server": ["server"], "worker": ["worker"]}},
    srcs = ["//:text"],
    store_root = "{store}",
)

nix_closure(
    name = "flaked",
    flake = "//:flake.nix",
    images = {{"server": ["server"]}},
    srcs = ["//:app.nix", "//:text"],
    store_root = "{store}",
)

nix_closure(
    name = "exported",
    export = "//:closure.export",
    images = {{"server": ["server"], "worker": ["worker"]}},
    # Whatever Nix is here is not asked.
    nix = "/nonexistent/nix",
)

nix_closure(
    name = "described",
    graph = "//:closure.json",
    images = {{"server": ["server"]}},
    store_root = "{store}",
)

nix_closure(
    name = "tampered",
    graph = "//:closure.json",
    images = {{"server": ["server"]}},
    store_root = "{tampered}",
)

nix_closure(
    name = "gone",
    graph = "//:closure.json",
    images = {{"server": ["server"]}},
    store_root = "{store}.gone",
)

nix_closure(
    name = "open",
    graph = "//:open.json",
)

nix_closure(
    name = "malformed",
    graph = "//:text.json",
)

nix_closure(
    name = "foreign",
    graph = "//:closure.json",
    store_dir = "/opt/store",
)

nix_closure(
    name = "without_nix",
    file = "//:app.nix",
    nix = "/nonexistent/nix",
)

nix_closure(
    name = "without_attribute",
    file = "//:app.nix",
    images = {{"x": ["serverr"]}},
)

nix_closure(name = "empty")
"""

_BUILD = """\
load("@lading//rules:nix.bzl", "nix_image")
load("@lading//rules:load.bzl", "image_load")
load("@lading//rules:push.bzl", "image_push")
load("@lading//rules:test.bzl", "image_verify_test")

nix_image(
    name = "server",
    closure = "@built//:server",
)

nix_image(
    name = "worker",
    closure = "@built//:worker",
    entrypoint = ["/bin/other"],
)

image_push(
    name = "push",
    image = ":server",
    repository = "nix/server",
    tag = "1",
)

image_load(
    name = "load",
    image = ":server",
    repository = "lading.test/nix",
    tag = "1",
)

[
    image_verify_test(
        name = name + "_verify",
        image = name,
    )
    for name in ["server", "exported_server"]
]

[
    nix_image(
        name = name + "_server",
        closure = "@%s//:server" % name,
        program = "server",
    )
    for name in ["exported", "described", "flaked", "tampered", "gone"]
]

[
    nix_image(
        name = name + "_image",
        closure = "@%s//:closure" % name,
    )
    for name in ["open", "malformed", "foreign", "without_nix", "without_attribute", "empty"]
]

nix_image(
    name = "selected",
    closure = select({"//conditions:default": "@built//:server"}),
)

nix_image(
    name = "misspelt",
    closure = "@built//:server",
    program = "serve",
)
"""


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    # Not below TEST_TMPDIR: that is in a git tree, of which Nix takes a flake's tracked files only.
    path = Path(tempfile.mkdtemp(prefix="lading-nix-", dir="/tmp"))
    yield path
    # What is in a store may not be written, so it has to be made so first.
    subprocess.run(["chmod", "-R", "u+w", path], check=False, capture_output=True)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def env(directory: Path) -> Mapping[str, str]:
    """A store of its own: no daemon, no substituters, no sandbox but the root it is in."""
    return {
        "HOME": str(directory),
        "NIX_CONFIG": "sandbox = false\nsubstituters =\nbuild-users-group =\n"
        "extra-sandbox-paths = /usr /lib /lib64\n",
        "NIX_REMOTE": f"local?root={directory / 'root'}",
    }


@pytest.fixture(scope="module")
def store(directory: Path) -> Path:
    return directory / "root/nix/store"


@pytest.fixture(scope="module")
def closure(directory: Path, env: Mapping[str, str]) -> dict[str, Any]:
    """Builds both programs with Nix alone; writes what Nix says of them into the workspace."""
    programs.need("nix", "nix-build", "nix-store")
    project = directory / "project"
    project.mkdir()
    for name in ("app.nix", "flake.nix"):
        shutil.copy(workspace() / "tests/integration/nix" / name, project)
    (project / "text").write_text("the server")
    file = str(project / "app.nix")
    roots = nix_build(file, env)
    paths = programs.run(["nix-store", "--query", "--requisites", *roots], env=env).split()
    with open(project / "closure.export", "wb") as stream:
        subprocess.run(
            ["nix-store", "--export", *paths], env={**os.environ, **env}, stdout=stream, check=True
        )
    command = ["nix", "--extra-experimental-features", "nix-command", "path-info", "--json"]
    text = programs.run([*command, "--json-format", "2", "--recursive", *roots], env=env)
    (project / "closure.json").write_text(text)
    value: dict[str, Any] = json.loads(text)
    assert len(value["info"]) == 5
    return value


def nix_build(file: str, env: Mapping[str, str]) -> list[str]:
    """Builds with Nix, again when it has killed a builder of its own.

    Nix 2.34.8 does so now and then in a store with a root of its own and no build users: signal 9,
    right after another builder has ended.
    """
    for _ in range(8):
        done = subprocess.run(
            ["nix-build", file, "--no-out-link"],
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        if "signal 9" not in done.stderr:
            break
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture(scope="module")
def bazel(
    directory: Path, env: Mapping[str, str], closure: dict[str, Any], store: Path
) -> Iterator[NestedBazel]:
    project, tampered = directory / "project", directory / "tampered"
    subprocess.run(["cp", "-a", store, tampered], check=True)
    victim = tampered / base(closure, "lib-1.0") / "lib/lib"
    victim.chmod(0o644)
    victim.write_bytes(victim.read_bytes().replace(b"777\n", b"778\n", 1))
    info = dict(closure["info"])
    del info[base(closure, "base-2.40")]
    (project / "open.json").write_text(json.dumps({**closure, "info": info}))
    (project / "text.json").write_text('{"info": ')
    names = {"lading": workspace(), "store": store, "tampered": tampered}
    (project / "MODULE.bazel").write_text(_MODULE.format(**names))
    (project / "BUILD.bazel").write_text(_BUILD)
    (project / ".bazelrc").write_text("build --color=no --curses=no\n")
    with nested_bazel(directory / "output_base", directory=project, env=env) as nested:
        yield nested


@pytest.fixture(scope="module")
def registry(directory: Path) -> Iterator[str]:
    with servers.docker_registry(directory) as address:
        yield address


def base(closure: dict[str, Any], name: str) -> str:
    return next(str(key) for key in closure["info"] if key.endswith(f"-{name}"))


def manifest(bazel: NestedBazel, target: str) -> dict[str, Any]:
    done = bazel.run("build", f"//:{target}")
    assert done.returncode == 0, done.stderr
    path = bazel.directory / f"bazel-bin/{target}.manifest.json"
    value: dict[str, Any] = json.loads(path.read_bytes())
    return value


def layers(bazel: NestedBazel, target: str) -> list[str]:
    return [layer["digest"] for layer in manifest(bazel, target)["layers"]]


@pytest.fixture(scope="module")
def pushed(bazel: NestedBazel, registry: str) -> str:
    """Pushes the server; returns its name in the registry."""
    done = bazel.run("run", "//:push", "--", f"--registry={registry}")
    assert done.returncode == 0, done.stderr
    return f"{registry}/nix/server:1"


def test_an_image_unpacks_to_what_nix_has(
    pushed: str,
    closure: dict[str, Any],
    env: Mapping[str, str],
    tmp_path: Path,
) -> None:
    programs.need("crane", "skopeo", "umoci")
    programs.run(["crane", "validate", "--insecure", f"--remote={pushed}"])
    layout = tmp_path / "layout"
    source = f"docker://{pushed}"
    programs.run(["skopeo", "copy", "--src-tls-verify=false", source, f"oci:{layout}:x"])
    programs.run(["umoci", "unpack", "--rootless", f"--image={layout}:x", tmp_path / "unpacked"])
    root = tmp_path / "unpacked/rootfs"
    unpacked = root / "nix/store"
    expected = {key for key in closure["info"] if not key.endswith("-worker")}
    assert {path.name for path in unpacked.iterdir()} == expected
    for key in expected:
        # Nix itself makes the archive of what was unpacked: content, links, the right to run.
        command = ["nix-hash", "--type", "sha256", "--sri", str(unpacked / key)]
        assert programs.run(command, env=env).strip() == closure["info"][key]["narHash"], key
    for path in unpacked.rglob("*"):
        status = path.lstat()
        assert status.st_mtime == 1, path
        if not stat.S_ISLNK(status.st_mode):
            assert stat.S_IMODE(status.st_mode) in (0o444, 0o555), path
    config = json.loads(programs.run(["crane", "config", "--insecure", pushed]))["config"]
    server = f"/nix/store/{base(closure, 'server')}"
    assert config["Entrypoint"] == [f"{server}/bin/server"]
    assert config["Env"] == [f"PATH={server}/bin"]


def test_no_layer_was_a_file_when_it_was_pushed(bazel: NestedBazel, pushed: str) -> None:
    """S2.4: the layers are recipes until somebody asks for a file."""
    output = Path(bazel.run("info", "bazel-bin").stdout.strip())
    found = [path for path in output.rglob("*.tar*") if "nix" in str(path) or "built" in str(path)]
    assert found == []
    assert list(output.rglob("*.recipe.json"))


@pytest.mark.parametrize("image", ["server", "exported_server"])
def test_tests_of_images_read_layers_that_are_recipes(bazel: NestedBazel, image: str) -> None:
    done = bazel.run("test", f"//:{image}_verify", "--test_output=all")
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_programs_share_is_in_layers_that_they_share(bazel: NestedBazel) -> None:
    server, worker = layers(bazel, "server"), layers(bazel, "worker")
    assert len(server) >= 3
    assert server[:-1] == worker[:-1]
    assert server[-1] != worker[-1]


def test_a_store_an_export_and_a_description_give_the_same_image(bazel: NestedBazel) -> None:
    assert manifest(bazel, "exported_server") == manifest(bazel, "server")
    assert manifest(bazel, "described_server") == manifest(bazel, "server")
    assert manifest(bazel, "selected") == manifest(bazel, "server")


def test_a_flake_gives_the_same_image(bazel: NestedBazel) -> None:
    if platform.machine() != "x86_64":
        pytest.skip("flake.nix is for x86_64")
    assert manifest(bazel, "flaked_server") == manifest(bazel, "server")


def test_an_image_of_nothing_but_a_closure_runs(bazel: NestedBazel, env: Mapping[str, str]) -> None:
    with servers.docker_daemon() as host:
        nested = NestedBazel(bazel.directory, bazel.output_base, {**env, "DOCKER_HOST": host})
        done = nested.run("run", "//:load")
        assert done.returncode == 0, done.stderr
        docker = {"DOCKER_HOST": host}
        command = ["docker", "run", "--rm", "--network=none", "lading.test/nix:1"]
        assert programs.run(command, env=docker) == "the server, of a file, 1\n"
        programs.run(["docker", "image", "rm", "--force", "lading.test/nix:1"], env=docker)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("tampered_server", "-lib-1.0 has the NAR hash sha256:"),
        ("gone_server", "which is in the closure, is not in"),
        ("open_image", "is no closure"),
        ("malformed_image", "is not valid JSON"),
        ("foreign_image", "is not in the store /opt/store"),
        ("without_nix_image", "nix-build cannot be run"),
        ("without_attribute_image", "attribute 'serverr'"),
        ("empty_image", "set one of export, file, flake, graph"),
        ("misspelt", 'has no "serve" in bin. There are: server.'),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(bazel: NestedBazel, target: str, message: str) -> None:
    done = bazel.run("build", f"//:{target}")
    assert done.returncode != 0
    assert message in done.stderr
    assert 'File "<string>"' not in done.stderr, "a traceback of Python"


def test_a_closure_is_in_no_image_for_another_platform(bazel: NestedBazel) -> None:
    other = "arm64" if platform.machine() == "x86_64" else "amd64"
    flag = f"--platforms=@lading//rules/platforms:linux_{other}"
    done = bazel.run("build", "//:server", flag)
    assert done.returncode != 0
    assert "is incompatible and cannot be built" in done.stderr
    assert "@built//:server" in done.stderr.replace("_main~_repo_rules~", "")


def test_a_changed_program_is_one_layer(
    bazel: NestedBazel, directory: Path, env: Mapping[str, str], registry: str, pushed: str
) -> None:
    """Last: it changes the workspace."""
    before, other = layers(bazel, "server"), layers(bazel, "worker")
    (directory / "project/text").write_text("the server, changed")
    nix_build(str(directory / "project/app.nix"), env)
    after = layers(bazel, "server")
    assert len(after) == len(before)
    assert after[:-1] == before[:-1]
    assert after[-1] != before[-1]
    assert layers(bazel, "worker") == other
    done = bazel.run("run", "//:push", "--", f"--registry={registry}")
    assert done.returncode == 0, done.stderr
    # The layer, the config and the manifest.
    assert "(3 new" in done.stderr
