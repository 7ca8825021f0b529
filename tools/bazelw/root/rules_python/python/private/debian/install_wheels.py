"""Fills the current directory with one Bazel package per wheel of a lock file.

Usage: python3 -I install_wheels.py LOCK [PIP_ARGUMENT...]

pip downloads the wheels that suit this interpreter and checks their hashes; they are unpacked
as rules_python lays them out (`site-packages/`, `bin/`, `data/`, `include/`), each in a directory
named for its project with a BUILD.bazel whose `deps` are the wheel's own requirements.
"""

from __future__ import annotations

import email.parser
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from typing import NamedTuple

from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.utils import canonicalize_name, parse_wheel_filename

# Keys of `NAME.data/KEY` in a wheel (binary distribution format, "The .data directory").
_DIRECTORIES = {
    "purelib": "site-packages",
    "platlib": "site-packages",
    "scripts": "bin",
    "data": "data",
    "headers": "include",
}

_BUILD = """\
load("@rules_python//python:py_library.bzl", "py_library")

package(default_visibility = ["//visibility:public"])

alias(
    name = "{name}",
    actual = ":pkg",
)

filegroup(
    name = "data",
    srcs = glob(
        ["bin/**", "data/**", "include/**", "site-packages/**"],
        allow_empty = True,
        exclude = ["site-packages/**/*.py"],
    ),
)

filegroup(
    name = "dist_info",
    srcs = glob(["site-packages/*.dist-info/**"]),
)

py_library(
    name = "pkg",
    srcs = glob(["site-packages/**/*.py"], allow_empty = True),
    data = [":data"],
    imports = ["site-packages"],
    deps = [{deps}],
)

filegroup(
    name = "whl",
    srcs = glob(["*.whl"]),
)
"""


class InstallError(Exception):
    """Why the packages cannot be installed, in one or two lines."""


class Wheel(NamedTuple):
    """A wheel that is unpacked in the directory `name`."""

    project: str
    name: str
    requires: list[Requirement]


def download(lock: pathlib.Path, directory: pathlib.Path, arguments: list[str]) -> None:
    """Downloads every wheel of `lock` that applies to this interpreter."""
    command = [sys.executable, "-I", "-m", "pip", "download", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--no-deps", "--require-hashes"]
    command += ["--only-binary=:all:", "--dest", str(directory), "--requirement", str(lock)]
    result = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    if result.returncode:
        raise InstallError(explain(result.stderr))


def explain(output: str) -> str:
    """The cause in pip's output, in words that say what to do."""
    python = f"Python {platform.python_version()} on {sys.platform} {platform.machine()}"
    mismatch = re.search(
        r"^\s*([A-Za-z0-9._-]+)==\S+ from .*\n\s*Expected sha256 ", output, re.MULTILINE
    )
    if mismatch:
        return (
            f"{mismatch[1]}: the package index has other bytes than the lock names (wrong sha256)."
            " Find out why before you run `bazel run //tools:requirements`."
        )
    unhashed = re.search(r"^\s+([A-Za-z0-9._-]+==\S+) --hash=", output, re.MULTILINE)
    if unhashed and "hash" in output:
        return f"{unhashed[1]} has no hash in the lock. Run `bazel run //tools:requirements`."
    missing = re.search(
        r"(?:No matching distribution found for|satisfies the requirement) (\S+)", output
    )
    if missing and "Retrying (" not in output:
        return (
            f"{missing[1]}: the package index has no wheel for {python}."
            " Choose another version in requirements.in, then run `bazel run //tools:requirements`."
        )
    if missing:
        return (
            f"{missing[1]}: the package index cannot be reached."
            " Check the network, and PIP_INDEX_URL or pip.conf if you use a mirror."
        )
    lines = [line for line in output.splitlines() if line.strip()]
    return "pip download failed: " + ("\n".join(lines[-2:]) or "it gave no reason")


def unpack(path: pathlib.Path) -> Wheel:
    """Unpacks a wheel into a directory named for its project, and moves it there."""
    project, _, _, _ = parse_wheel_filename(path.name)
    name = project.replace("-", "_")
    root = pathlib.Path(name).resolve()
    requires: list[Requirement] = []
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.is_dir():
                continue
            target = root / place(entry.filename)
            if not target.resolve().is_relative_to(root):
                raise InstallError(f"{path.name}: the entry {entry.filename!r} leaves the package.")
            content = archive.read(entry)
            if re.fullmatch(r"[^/]+\.dist-info/METADATA", entry.filename):
                metadata = email.parser.BytesParser().parsebytes(content)
                requires = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
            script = target.parent == root / "bin"
            if script and content.startswith(b"#!python"):
                content = content.replace(b"#!python", b"#!/usr/bin/env python3", 1)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            if script or entry.external_attr >> 16 & 0o111:
                target.chmod(0o755)
    path.rename(root / path.name)
    return Wheel(project, name, requires)


def place(entry: str) -> str:
    """Path below the package directory of a wheel's entry."""
    first, _, rest = entry.partition("/")
    if first.endswith(".data"):
        key, _, rest = rest.partition("/")
        return f"{_DIRECTORIES[key]}/{rest}"
    return f"site-packages/{entry}"


def requested_extras(lock: pathlib.Path) -> dict[str, set[str]]:
    """Extras that the lock asks for, by project."""
    found: dict[str, set[str]] = {}
    requirement = re.compile(r"^([A-Za-z0-9._-]+)\[([^\]]+)\]", re.MULTILINE)
    for match in requirement.finditer(lock.read_text("utf-8")):
        found[canonicalize_name(match[1])] = {extra.strip() for extra in match[2].split(",")}
    return found


def dependencies(wheel: Wheel, installed: dict[str, Wheel], extras: set[str]) -> list[str]:
    """Names of the installed packages that `wheel` requires here, sorted."""
    names = set()
    for requirement in wheel.requires:
        project = canonicalize_name(requirement.name)
        wanted = requirement.marker is None or any(
            requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)
        )
        if wanted and project in installed and project != wheel.project:
            names.add(installed[project].name)
    return sorted(names)


def main() -> None:
    """Installs, and writes the BUILD files."""
    lock = pathlib.Path(sys.argv[1])
    downloads = pathlib.Path("downloads")
    try:
        download(lock, downloads, sys.argv[2:])
        wheels = {wheel.project: wheel for wheel in map(unpack, sorted(downloads.glob("*.whl")))}
    except InstallError as error:
        sys.exit(str(error))
    shutil.rmtree(downloads, ignore_errors=True)
    extras = requested_extras(lock)
    for wheel in wheels.values():
        names = dependencies(wheel, wheels, extras.get(wheel.project, set()))
        build = _BUILD.format(name=wheel.name, deps=", ".join(f'"//{name}:pkg"' for name in names))
        pathlib.Path(wheel.name, "BUILD.bazel").write_text(build, "utf-8")
    pathlib.Path("BUILD.bazel").write_text('exports_files(["requirements.lock"])\n', "utf-8")


if __name__ == "__main__":
    main()
