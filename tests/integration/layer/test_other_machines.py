"""The same bytes on other CPUs and by other interpreters (S2.2).

Compressors choose code by the CPU that they find: qemu shows them others than this one. Wheels are
the pinned ones; an interpreter that needs others of the same version takes them from the lock.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.harness import programs
from tests.integration.harness.launchers import runfile
from tests.integration.layer import action, inputs

#: From before AVX, with AVX2, and with all that qemu knows; none has this machine's features.
_CPUS = ("Nehalem", "Haswell", "max")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    root = tmp_path_factory.mktemp("sources")
    return root, inputs.generate(root)


def _same(layer: action.Layer, kind: str) -> None:
    table = json.loads(runfile("tests/integration/layer/golden.json").read_text())
    assert {name: layer.metadata[name] for name in table[kind]} == table[kind]


@pytest.mark.parametrize("kind", ["gzip/fast", "gzip/small", "zstd/fast"])
@pytest.mark.parametrize("cpu", _CPUS)
def test_the_cpu_does_not_matter(
    sources: tuple[Path, list[str]], tmp_path: Path, cpu: str, kind: str
) -> None:
    programs.need("qemu-x86_64")
    root, lines = sources
    python = ("qemu-x86_64", "-cpu", cpu, os.path.realpath(sys.executable))
    _same(action.build(root, tmp_path / "layer", lines, action.KINDS[kind], python=python), kind)


def _interpreters() -> Iterator[tuple[str, str]]:
    """Other CPythons of this machine that lading supports, as (version, path)."""
    places = [Path(place) for place in os.environ.get("PATH", "").split(os.pathsep)]
    places += sorted(Path(os.environ.get("HOME", "/nonexistent")).glob(".pyenv/versions/*/bin"))
    script = "import sys, ssl, zlib; print('%d.%d' % sys.version_info[:2], sys.executable)"
    found: dict[str, str] = {}
    for place in places:
        for path in sorted(place.glob("python3.1[1-9]")):
            done = subprocess.run(
                [path, "-I", "-c", script], capture_output=True, text=True, check=False
            )
            version, _, executable = done.stdout.strip().partition(" ")
            if done.returncode == 0 and version != f"3.{sys.version_info[1]}":
                found.setdefault(version, executable)
    yield from sorted(found.items())


def _wheels(python: str, target: Path) -> str:
    """Installs zstandard for another interpreter, as the lock has it; returns what went wrong.

    deflate has one wheel for every version of CPython, so the one at hand serves.
    """
    lock = runfile("requirements.lock").read_text()
    pinned = re.search(r"^zstandard==.*(?:\n .*)*", lock, re.MULTILINE)
    assert pinned is not None
    requirement = target.with_suffix(".txt")
    requirement.write_text(pinned[0] + "\n")
    options = ("--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:")
    done = subprocess.run(
        [python, "-m", "pip", "install", *options, f"--target={target}", f"-r{requirement}"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.strip() if done.returncode else ""


def test_the_version_of_python_does_not_matter(
    sources: tuple[Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What bazelw builds has one Python, so even CI may find no other: it is not a peer.
    others = list(_interpreters())
    if not others:
        pytest.skip("no other CPython 3.11 or later on PATH or in ~/.pyenv")
    root, lines = sources
    missing = []
    for version, python in others:
        target = tmp_path / version
        problem = _wheels(python, target)
        monkeypatch.setattr(action, "PYTHONPATH", f"{target}:{action.PYTHONPATH}")
        if problem:
            missing.append(f"{version} without zstandard: {problem.splitlines()[-1]}")
        for kind in ("none", "gzip/fast", "estargz", *(() if problem else ("zstd/fast",))):
            layer = action.build(
                root, tmp_path / "layer", lines, action.KINDS[kind], python=(python,)
            )
            _same(layer, kind)
    if missing:
        pytest.skip(f"gzip and plain layers are the same; {'; '.join(missing)}")
