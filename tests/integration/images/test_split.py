"""A program with a hermetic interpreter among its runfiles: three layers that start in Docker."""

from __future__ import annotations

import json
import os
import shutil
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import programs, servers
from tests.integration.harness.nested_bazel import NestedBazel, nested_bazel, workspace

_MODULE = """
module(name = "shop")
bazel_dep(name = "lading", version = "0.1.0")
local_path_override(module_name = "lading", path = "{lading}")
bazel_dep(name = "rules_python", version = "1.5.0")
bazel_dep(name = "platforms", version = "0.0.11")
bazel_dep(name = "interpreter", version = "0")
local_path_override(module_name = "interpreter", path = "{directory}/interpreter")
bazel_dep(name = "greetings", version = "0")
local_path_override(module_name = "greetings", path = "{directory}/greetings")
register_toolchains("@interpreter//:toolchain")
"""
_BUILD = """
load("@lading//rules:defs.bzl", "image_layer", "image_load", "image_manifest", "layer_from_binary")
load("@rules_python//python:defs.bzl", "py_binary")

# Lading's own tools are built for the machine, and keep the interpreter that they have.
platform(
    name = "hermetic",
    constraint_values = ["@interpreter//:hermetic"],
    parents = ["@platforms//host"],
)

py_binary(name = "app", srcs = ["app.py"], deps = ["@greetings"])

layer_from_binary(
    name = "layers",
    binary = ":app",
    interpreter = ["/runfiles/@PLACE@/bin/python3"],
    path = "/app/app",
)

# What an interpreter takes from the system: the loader and libraries, and no Python.
image_layer(
    name = "libraries",
    multi_file_layout = "flatten",
    srcs = {
        "/lib/": ":system",
        "/lib64/": ":loader",
    },
)

filegroup(name = "loader", srcs = glob(["lib64/*"]))

filegroup(name = "system", srcs = glob(["lib/*"]))

image_manifest(name = "base", env = {"LD_LIBRARY_PATH": "/lib"}, layers = [":libraries"])

image_manifest(
    name = "image",
    base = ":base",
    layers = [":layers"],
    platform = ":hermetic",
    program = ":layers",
)

image_load(name = "load", image = ":image", repository = "lading.test/split", tag = "test")
"""
_APP = """
import sys

import greetings

print(greetings.of("world"), sys.executable, sys.version_info[:2])
"""
_INTERPRETER = """
load("@rules_python//python:defs.bzl", "py_runtime", "py_runtime_pair")

package(default_visibility = ["//visibility:public"])

constraint_setting(name = "interpreter")

constraint_value(name = "hermetic", constraint_setting = ":interpreter")

filegroup(name = "files", srcs = glob(["bin/*", "lib/**"]))

py_runtime(
    name = "runtime",
    files = [":files"],
    interpreter = "bin/python3",
    python_version = "PY3",
)

py_runtime_pair(name = "pair", py3_runtime = ":runtime")

toolchain(
    name = "toolchain",
    target_compatible_with = [":hermetic"],
    toolchain = ":pair",
    toolchain_type = "@bazel_tools//tools/python:toolchain_type",
)
"""
_GREETINGS = """
load("@rules_python//python:defs.bzl", "py_library")

py_library(
    name = "greetings",
    srcs = ["greetings.py"],
    imports = ["."],
    visibility = ["//visibility:public"],
)
"""
#: Parts of the standard library that no program here needs, and that are large.
_LEFT_OUT = shutil.ignore_patterns(
    "__pycache__", "config-*", "dist-packages", "ensurepip", "idlelib", "site-packages", "test",
    "tkinter", "turtledemo",
)  # fmt: skip


def _libraries(program: Path) -> list[Path]:
    """The shared libraries of a program, the loader among them."""
    listed = programs.run(["ldd", program])
    words = [word for line in listed.splitlines() for word in line.split()]
    return sorted({Path(word) for word in words if word.startswith("/")})


def _module(directory: Path, name: str, build: str, **files: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "MODULE.bazel").write_text(
        f'module(name = "{name}", version = "0")\n'
        'bazel_dep(name = "rules_python", version = "1.5.0")\n'
    )
    (directory / "BUILD.bazel").write_text(build)
    for module, text in files.items():
        (directory / f"{module}.py").write_text(text)


def _copy_interpreter(directory: Path, project: Path) -> None:
    """The interpreter that runs this test, as a repository; its libraries go into the project."""
    program = Path(sys.executable).resolve()
    library = Path(sysconfig.get_path("stdlib"))
    (directory / "bin").mkdir(parents=True)
    shutil.copy(program, directory / "bin/python3")
    shutil.copytree(library, directory / "lib" / library.name, ignore=_LEFT_OUT)
    extensions = sorted((directory / "lib" / library.name / "lib-dynload").glob("*.so"))
    needed = {path for one in (program, *extensions) for path in _libraries(one)}
    for folder in ("lib", "lib64"):
        (project / folder).mkdir(parents=True)
    for path in needed:
        folder = "lib64" if path.name.startswith("ld-") else "lib"
        shutil.copy(path.resolve(), project / folder / path.name)


@pytest.fixture(scope="module")
def shop() -> Iterator[NestedBazel]:
    scratch = Path(tempfile.mkdtemp(prefix="lading-", dir=os.environ["TEST_TMPDIR"]))
    project = scratch / "project"
    _copy_interpreter(scratch / "interpreter", project)
    _module(scratch / "interpreter", "interpreter", _INTERPRETER)
    of = 'def of(name: str) -> str:\n    return f"hello {name}"\n'
    _module(scratch / "greetings", "greetings", _GREETINGS, greetings=of)
    (project / "MODULE.bazel").write_text(_MODULE.format(lading=workspace(), directory=scratch))
    (project / "app.py").write_text(_APP)
    (project / "BUILD.bazel").write_text("")
    with nested_bazel(scratch / "output", directory=project) as bazel:
        mapping = bazel.run("mod", "dump_repo_mapping", "")
        assert mapping.returncode == 0, mapping.stderr
        # Bazel 7 and 8 spell the name of a module's repository differently.
        place = json.loads(mapping.stdout)["interpreter"]
        (project / "BUILD.bazel").write_text(_BUILD.replace("@PLACE@", place))
        yield bazel


def _layers(shop: NestedBazel) -> list[dict[str, Any]]:
    """The image's layers as its manifest lists them, the base's first; `names` has their files."""
    [layout] = shop.build("//:image", "--output_groups=oci_layout")
    blobs = layout / "blobs/sha256"
    [root] = json.loads((layout / "index.json").read_bytes())["manifests"]
    manifest = json.loads((blobs / root["digest"][7:]).read_bytes())
    layers: list[dict[str, Any]] = manifest["layers"]
    for layer in layers:
        with tarfile.open(blobs / layer["digest"][7:]) as archive:
            layer["names"] = [item.name for item in archive if not item.isdir()]
    return layers


def test_interpreter_dependencies_and_own_code_are_layers_of_their_own(shop: NestedBazel) -> None:
    _, interpreter, third_party, own = _layers(shop)
    assert any(name.endswith("/bin/python3") for name in interpreter["names"])
    assert any(name.endswith("/os.py") for name in interpreter["names"])
    assert all("interpreter" in name.split("/")[1] for name in interpreter["names"])
    assert [name.rpartition("/")[2] for name in third_party["names"]] == ["greetings.py"]
    assert {"app/app", "app/app.runfiles", "runfiles/_main/app.py"} <= set(own["names"])
    # The empty files that Bazel makes beside modules belong to the program.
    others = [name for name in own["names"] if not name.endswith("/__init__.py")]
    assert not any("/lib/python" in name for name in others)


def test_a_change_of_the_program_leaves_the_layers_below(shop: NestedBazel) -> None:
    before = _layers(shop)
    with (shop.directory / "app.py").open("a") as file:
        file.write("print('changed')\n")
    after = _layers(shop)
    same = [one["digest"] == two["digest"] for one, two in zip(before, after, strict=True)]
    assert same == [True, True, True, False]


def test_the_image_runs_on_the_interpreter_in_it(shop: NestedBazel) -> None:
    with servers.docker_daemon() as host:
        env = {"DOCKER_HOST": host}
        name = "lading.test/split:test"
        nested = NestedBazel(shop.directory, shop.output_base, env)
        loaded = nested.run("run", "//:load")
        assert loaded.returncode == 0, loaded.stderr
        try:
            shown = programs.run(["docker", "run", "--rm", "--network=none", name], env=env)
        finally:
            programs.run(["docker", "image", "rm", "--force", name], env=env)
    assert shown.startswith("hello world /")
    assert "/bin/python3" in shown.split()[2]
    assert str(tuple(sys.version_info[:2])) in shown
