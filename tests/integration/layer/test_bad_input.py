"""What only a real process on a real machine shows: a full disk, and a worker that goes on."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.integration.harness import programs
from tests.integration.layer import action

_KINDS = ("gzip/fast", "zstd/fast", "none", "estargz")

#: Mounts a file system of 1 MiB at out/, runs a program, and says what is left there.
_SMALL_DISK = """
mount -t tmpfs -o size=1m tmpfs out || exit 99
"$@"
code=$?
ls -A out > listing
exit $code
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Sources of 5 MB that do not compress, and a directory for the outputs."""
    for number in range(3):
        data = random.Random(number).randbytes(1_700_000)
        (tmp_path / f"file{number}").write_bytes(data)
    (tmp_path / "out").mkdir()
    return tmp_path


LINES = [f"F\t/srv/file{number}\tfile{number}" for number in range(3)]


def _in_small_disk(root: Path, words: Sequence[str]) -> tuple[int, str, list[str]]:
    """Exit code, output on both streams, and what is left, of a run with outputs on a full disk."""
    programs.need("unshare", "mount")
    namespace = ["unshare", "--map-root-user", "--user", "--mount"]
    done = subprocess.run(
        [*namespace, "sh", "-c", _SMALL_DISK, "sh", *words],
        cwd=root,
        env={"PYTHONPATH": action.PYTHONPATH, "PATH": os.defpath},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (root / "listing").exists(), done.stderr
    left = (root / "listing").read_text().split()
    return done.returncode, done.stdout + done.stderr, left


@pytest.mark.parametrize("kind", _KINDS)
def test_a_disk_that_is_full(root: Path, kind: str) -> None:
    words = action.arguments(Path("out/layer"), LINES, action.KINDS[kind])
    (root / "params").write_text("\n".join(words) + "\n")
    code, output, left = _in_small_disk(root, [*action.command(), "@params"])
    assert code == 11, output
    assert "No space left on device" in output
    assert len(output.splitlines()) <= 2
    assert left == []


def test_an_archive_that_needs_more_than_there_is(root: Path) -> None:
    tar = ["tar", "--create", "--gzip", f"--directory={root}"]
    programs.run([*tar, f"--file={root / 'a.tgz'}", "file0"])
    words = action.arguments(Path("out/layer"), ["A\t/\ta.tgz"], ())
    (root / "params").write_text("\n".join(words) + "\n")
    code, output, left = _in_small_disk(root, [*action.command(), "@params"])
    assert (code, left) == (11, []), output
    assert "a.tgz" in output or "an archive" in output
    assert len(output.splitlines()) <= 2


_DRIVER = """
import json, os, sys
from pathlib import Path
from tests.integration.layer import action
big, small = json.loads(sys.argv[1]), json.loads(sys.argv[2])
with action.Worker(Path(".")) as worker:
    for number in (1, 3, 5):
        worker.send(number, big, {})
        answer = worker.receive()
        assert answer["exitCode"] == 11, answer
        assert len(answer["output"].splitlines()) <= 2, answer
        assert os.listdir("out") == [], os.listdir("out")
        worker.send(number + 1, small, {})
        answer = worker.receive()
        assert answer["exitCode"] == 0, answer
        assert sorted(os.listdir("out")) == ["layer", "layer.json"], os.listdir("out")
        for name in os.listdir("out"):
            os.unlink(os.path.join("out", name))
print("the worker went on")
"""


@pytest.mark.parametrize("kind", _KINDS)
def test_a_worker_goes_on_when_the_disk_was_full(root: Path, kind: str) -> None:
    flags = action.KINDS[kind]
    big = action.arguments(Path("out/layer"), LINES, flags)
    small = action.arguments(Path("out/layer"), ["E\t/empty"], flags)
    words = [sys.executable, "-c", _DRIVER, json.dumps(big), json.dumps(small)]
    code, output, left = _in_small_disk(root, words)
    assert (code, left) == (0, []), output
    assert "the worker went on" in output
