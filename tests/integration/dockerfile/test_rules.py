"""dockerfile_image, image_run_layer and method in a Bazel of their own, with real builders.

The targets are in this package's BUILD file; the base is //images:python, which has no shell.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.harness import programs, servers
from tests.integration.harness.nested_bazel import NestedBazel, nested_bazel

_PACKAGE = "//tests/integration/dockerfile"
_SETTINGS = "--//rules/settings"


@dataclass(frozen=True)
class House:
    """A Bazel, and a Docker daemon that it is told of."""

    bazel: NestedBazel
    docker: str

    def flags(self, *, builder: str = "docker") -> list[str]:
        if builder != "docker":
            return [f"{_SETTINGS}:builder={builder}"]
        return [f"{_SETTINGS}:builder=docker", f"{_SETTINGS}:builder_address={self.docker}"]

    def build(self, *words: str, builder: str = "docker") -> subprocess.CompletedProcess[str]:
        return self.bazel.run("build", *self.flags(builder=builder), *words)

    def output(self, name: str) -> Path:
        return Path(
            self.bazel.run("info", "bazel-bin").stdout.strip(), "tests/integration/dockerfile", name
        )


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    programs.need("bazel", "buildah")
    scratch = Path(tempfile.mkdtemp(prefix="lading-", dir=os.environ["TEST_TMPDIR"]))
    with (
        servers.docker_daemon(own=True) as docker,
        nested_bazel(scratch / "output") as bazel,
    ):
        yield House(bazel, docker)


def test_the_image_is_one_like_any_other(house: House) -> None:
    """Other rules build on it; it is verified, loaded, and runs."""
    result = house.build(
        "--output_groups=+docker_archive,+oci_layout",
        f"{_PACKAGE}:multi_stage",
        f"{_PACKAGE}:on_top",
        "//images:python",
    )
    assert result.returncode == 0, result.stderr
    assert "line 1: the builder's own frontend is used" in result.stderr
    for name in ("multi_stage", "on_top"):
        verified = house.bazel.run(
            "run", "--noshow_progress", *house.flags(), "//tools:verify", "--",
            str(house.output(f"{name}.oci")),
        )  # fmt: skip
        assert verified.returncode == 0, verified.stdout + verified.stderr
        programs.run(
            ["docker", "--host", house.docker, "load", "-i", house.output(f"{name}.docker.tar")]
        )
    config = json.loads(house.output("multi_stage.config.json").read_bytes())
    assert config["created"] == "1970-01-01T00:00:00Z"
    assert config["config"]["Labels"]["org.example.made-by"] == "a Dockerfile"
    assert config["config"]["User"] == "65532:65532"
    binaries = house.bazel.run("info", "bazel-bin").stdout.strip()
    kept = json.loads(Path(binaries, "images/python.manifest.json").read_bytes())["layers"]
    layers = json.loads(house.output("multi_stage.manifest.json").read_bytes())["layers"]
    assert layers[: len(kept)] == kept
    assert len(layers) > len(kept)

    identity = (
        "sha256:" + programs.run(["sha256sum", house.output("on_top.config.json")]).split()[0]
    )
    run = ["docker", "--host", house.docker, "run", "--rm", "--network=none", "--user=0:0"]
    script = (
        "import os; print(open('/opt/tool/built.txt').read().strip(),"
        " open('/usr/share/hello').read().strip(), oct(os.stat('/usr/local/bin/greet').st_mode),"
        " os.path.lexists('/usr/share/greeting'), os.path.exists('/inputs'),"
        " os.environ['GREETED'])"
    )
    told = programs.run([*run, "--entrypoint=/usr/bin/python3", identity, "-c", script])
    assert told == "built by Bazel hello from the context 0o100700 False False yes\n"


def test_a_command_gives_the_same_layer_with_buildah(house: House) -> None:
    assert house.build(f"{_PACKAGE}:installed").returncode == 0
    first = json.loads(house.output("installed.metadata.json").read_bytes())
    result = house.build(f"{_PACKAGE}:installed", builder="buildah")
    assert result.returncode == 0, result.stderr
    assert json.loads(house.output("installed.metadata.json").read_bytes()) == first


def test_a_dockerfile_that_fails_shows_its_end(house: House) -> None:
    result = house.build(f"{_PACKAGE}:failing")
    assert result.returncode == 1
    assert f"{_PACKAGE}:failing: Dockerfile, line 3 failed with exit status 7" in result.stderr
    assert "  line 59\n" in result.stderr
    assert "  line 5\n" not in result.stderr  # of 60 lines, the last 40
    assert "Traceback" not in result.stderr


def test_what_rules_can_do_is_refused_without_a_reason(house: House) -> None:
    result = house.build(f"{_PACKAGE}:only_copies")
    assert result.returncode == 1
    assert "all that its Dockerfile does is to arrange outputs of Bazel" in result.stderr
    assert 'reason = "…"' in result.stderr
    assert house.build(f"{_PACKAGE}:only_copies_with_reason").returncode == 0


def test_a_secret_is_in_no_output_of_bazel(house: House, tmp_path: Path) -> None:
    target = f"{_PACKAGE}:with_secret"
    result = house.build(target)
    assert result.returncode == 1
    assert "the secret token is needed, and no directory with secrets is set" in result.stderr
    secret = "correct-horse-battery"  # a test's own
    (tmp_path / "token").write_text(secret)
    setting = f"{_SETTINGS}:builder_secrets={tmp_path}"
    result = house.build("--subcommands", setting, target)
    assert result.returncode == 0, result.stderr
    shown = house.bazel.run("aquery", *house.flags(), setting, target).stdout
    assert "no-sandbox" in shown
    for text in (result.stdout, result.stderr, shown):
        assert secret not in text
    outputs = house.output("").parent.parent
    assert not [path for path in _files(outputs) if secret.encode() in path.read_bytes()]
    # Another value is no reason to build: it is no input.
    (tmp_path / "token").write_text("other")
    assert "DockerfileBuild" not in house.build("--subcommands", setting, target).stderr


def test_a_machine_without_that_builder_says_what_it_looked_for(house: House) -> None:
    flags = [f"{_SETTINGS}:builder=docker", f"{_SETTINGS}:builder_address=unix:///nowhere/x.sock"]
    result = house.bazel.run("build", *flags, f"{_PACKAGE}:multi_stage")
    assert result.returncode == 1
    assert "the builder docker is not there; looked for a Docker daemon at unix:///nowhere" in (
        result.stderr
    )


def test_method_says_what_fits(house: House) -> None:
    """S2.1, of a real graph."""
    names = ["multi_stage", "only_copies", "on_top", "context/failing.Dockerfile"]
    result = house.bazel.run(
        "run", "--noshow_progress", "//tools:method", "--", "--json",
        f"--bazel=bazel --output_base={house.bazel.output_base}",
        *(f"{_PACKAGE}:{name}" for name in names), "//images:python",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    found = {value["target"]: value for value in map(json.loads, result.stdout.splitlines())}
    told = {label.removeprefix(f"{_PACKAGE}:"): value["method"] for label, value in found.items()}
    assert told == {
        "multi_stage": "Dockerfile",
        "only_copies": "rules",
        "on_top": "rules",
        "context/failing.Dockerfile": "Dockerfile",
        "//images:python": "rules",
    }
    assert found[f"{_PACKAGE}:only_copies"]["fits"] is False
    assert found[f"{_PACKAGE}:multi_stage"]["why"][0] == "line 8: RUN runs a program"


def _files(directory: Path) -> Iterator[Path]:
    for root, _, names in os.walk(directory):
        for name in names:
            path = Path(root, name)
            if path.is_file() and path.stat().st_size < 1 << 20:
                yield path
