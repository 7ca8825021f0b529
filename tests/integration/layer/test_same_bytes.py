"""A layer's bytes are a function of its inputs: not of how, where or by whom it is built (S2.2)."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import programs
from tests.integration.harness.launchers import runfile
from tests.integration.layer import action, inputs
from tests.integration.layer.golden import digests

#: One of each format is enough where the level does not matter.
_FORMATS = ("gzip/fast", "zstd/fast", "none", "estargz")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    root = tmp_path_factory.mktemp("sources")
    return root, inputs.generate(root)


@pytest.fixture(scope="module")
def expected(
    sources: tuple[Path, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, object]]:
    """What a plain run makes of each kind."""
    return digests(*sources, tmp_path_factory.mktemp("plain"))


def _same(layer: action.Layer, kind: str, expected: dict[str, dict[str, object]]) -> None:
    digest = f"sha256:{hashlib.sha256(layer.blob).hexdigest()}"
    assert digest == layer.metadata["digest"]
    assert {name: layer.metadata[name] for name in expected[kind]} == expected[kind]


def test_digests_are_those_in_the_table(expected: dict[str, dict[str, object]]) -> None:
    table = json.loads(runfile("tests/integration/layer/golden.json").read_text())
    assert expected == table, "if that is meant: bazel run //tests/integration/layer:golden"
    tars = {value["diff_id"] for kind, value in table.items() if kind != "estargz"}
    assert len(tars) == 1, "the compression does not change the archive"


VARIATIONS: dict[str, dict[str, Any]] = {
    "one CPU": {"prefix": ("taskset", "-c", "0")},
    "umask": {"umask": 0o077},
    "time zone": {"env": {"TZ": "Asia/Kathmandu"}},
    "locale": {"env": {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}},
    "C locale": {"env": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}},
    "hash seed": {"env": {"PYTHONHASHSEED": "4711"}},
    "home": {"env": {"HOME": "/nonexistent", "USER": "nobody"}},
    "heap contents": {
        "env": {
            "MALLOC_PERTURB_": "165",
            "GLIBC_TUNABLES": "glibc.malloc.perturb=165",
            "PYTHONMALLOC": "malloc",
        }
    },
    "optimised": {"env": {"PYTHONOPTIMIZE": "2", "PYTHONDONTWRITEBYTECODE": "1"}},
}


@pytest.mark.parametrize("kind", _FORMATS)
@pytest.mark.parametrize("variation", VARIATIONS)
def test_the_surroundings_do_not_matter(
    sources: tuple[Path, list[str]],
    expected: dict[str, dict[str, object]],
    tmp_path: Path,
    variation: str,
    kind: str,
) -> None:
    options = VARIATIONS[variation]
    programs.need(*options.get("prefix", ())[:1])
    root, lines = sources
    layer = action.build(root, tmp_path / "layer", lines, action.KINDS[kind], **options)
    _same(layer, kind, expected)


@pytest.mark.parametrize("kind", _FORMATS)
def test_the_order_of_sources_and_the_times_of_files_do_not_matter(
    sources: tuple[Path, list[str]],
    expected: dict[str, dict[str, object]],
    tmp_path: Path,
    kind: str,
) -> None:
    root, lines = sources
    # Another copy, whose directory entries are made in another order.
    copy = tmp_path / "a directory whose name has another length"
    names = sorted(os.listdir(root), reverse=True)
    copy.mkdir()
    for name in names:
        source = root / name
        if source.is_dir():
            shutil.copytree(source, copy / name, symlinks=True)
        else:
            shutil.copy(source, copy / name)
    inputs.touch(copy, 1_234_567_890)
    for seed in (1, 2):
        shuffled = list(lines)
        random.Random(seed).shuffle(shuffled)
        layer = action.build(copy, tmp_path / "layer", shuffled, action.KINDS[kind])
        _same(layer, kind, expected)


def _digests(root: Path, lines: Sequence[str]) -> dict[str, str]:
    """What Bazel would say about the inputs."""
    result = {}
    for line in lines:
        fields = line.split("\t")
        if fields[0] == "F" and not (root / fields[2]).is_dir():
            data = (root / fields[2]).read_bytes()
            result[fields[2]] = hashlib.sha256(data).hexdigest()
        elif fields[0] in ("F", "T"):
            for path in sorted((root / fields[2]).rglob("*")):
                if path.is_file() and not path.is_symlink():
                    digest = hashlib.sha256(path.read_bytes()).hexdigest()
                    result[str(path.relative_to(root))] = digest
    return result


@pytest.mark.parametrize("prefix", [(), ("taskset", "-c", "0")])
def test_a_worker_makes_the_same_bytes_again_and_again(
    sources: tuple[Path, list[str]],
    expected: dict[str, dict[str, object]],
    tmp_path: Path,
    prefix: tuple[str, ...],
) -> None:
    root, lines = sources
    known = _digests(root, lines)
    before = os.sched_getaffinity(0)
    try:
        if prefix:
            os.sched_setaffinity(0, {min(before)})
        with action.Worker(root) as worker:
            for number in range(1, 3 * len(_FORMATS) + 1):
                kind = _FORMATS[number % len(_FORMATS)]
                layer = worker.build(
                    number, tmp_path / f"{number}", lines, action.KINDS[kind], known
                )
                _same(layer, kind, expected)
    finally:
        os.sched_setaffinity(0, before)


def test_a_worker_that_builds_several_at_once_makes_the_same_bytes(
    sources: tuple[Path, list[str]], expected: dict[str, dict[str, object]], tmp_path: Path
) -> None:
    root, lines = sources
    known = _digests(root, lines)
    with action.Worker(root) as worker:
        for number, kind in enumerate(_FORMATS * 2, start=1):
            words = action.arguments(tmp_path / f"{number}", lines, action.KINDS[kind])
            worker.send(number, words, known)
        answers = [worker.receive() for _ in range(2 * len(_FORMATS))]
    assert sorted(answer["requestId"] for answer in answers) == list(range(1, 9))
    for answer in answers:
        assert answer["exitCode"] == 0, answer["output"]
        kind = _FORMATS[(answer["requestId"] - 1) % len(_FORMATS)]
        _same(action.read(tmp_path / str(answer["requestId"])), kind, expected)


def test_a_worker_whose_request_failed_makes_the_same_bytes(
    sources: tuple[Path, list[str]], expected: dict[str, dict[str, object]], tmp_path: Path
) -> None:
    root, lines = sources
    known = _digests(root, lines)
    out = tmp_path / "out"
    out.mkdir()
    with action.Worker(root) as worker:
        for number, bad in enumerate(
            ("F\t/x\tgone", "F\t/a/../b\tsecret", "F\t/etc/secret\tbin/tool", "T\t/dev\t/dev"),
            start=1,
        ):
            worker.send(number, action.arguments(out / "layer", [*lines, bad], ()), known)
            answer = worker.receive()
            assert answer["exitCode"] not in (0, 1), answer
            assert 0 < len(answer["output"].splitlines()) <= 2, answer["output"]
            assert list(out.iterdir()) == []
        layer = worker.build(9, tmp_path / "layer", lines, action.KINDS["gzip/fast"], known)
    _same(layer, "gzip/fast", expected)
