"""The layer tool as a worker process, spoken to as Bazel does: many requests at once, some bad."""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

#: Compressing 40 MB takes half a second: enough to be in the middle of it.
_SLOW = ["--compression=gzip", "--level=8"]


class _Worker:
    """A process in a directory where outputs go to `out`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.out = directory / "out"
        self.out.mkdir()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lading.actions.layer", "--persistent_worker"],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def send(self, message: object) -> None:
        assert self.process.stdin is not None
        text = message if isinstance(message, str) else json.dumps(message)
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def request(
        self,
        number: int,
        name: str,
        *lines: str,
        flags: list[str] | None = None,
        sandbox: str = "",
    ) -> None:
        """Asks for a layer of `lines`, whose files Bazel knows the digests of.

        Those are digests of files in the worker's directory, whatever `sandbox` has.
        """
        paths = [line.split("\t")[2] for line in lines if line[0] == "F"]
        inputs = [
            {"path": path, "digest": hashlib.sha256(self._read(path)).hexdigest()} for path in paths
        ]
        arguments = [f"--output=out/{name}", f"--metadata=out/{name}.json", *(flags or []), *lines]
        message = {"requestId": number, "arguments": arguments, "inputs": inputs}
        self.send(message | ({"sandboxDir": sandbox} if sandbox else {}))

    def sandbox(self, name: str, *files: str) -> Path:
        """A directory for one request, with links to `files`, as Bazel makes it."""
        sandbox = self.directory / name
        (sandbox / "out").mkdir(parents=True)
        for file in files:
            (sandbox / file).symlink_to(self.directory / file)
        return sandbox

    def _read(self, path: str) -> bytes:
        file = self.directory / path
        return file.read_bytes() if file.exists() else b""

    def response(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def outputs(self) -> set[str]:
        return set(os.listdir(self.out))

    def wait_for_bytes(self, out: Path | None = None) -> None:
        """Until some of an output is written, which has no name before it is complete."""
        deadline = time.monotonic() + 60
        descriptors = f"/proc/{self.process.pid}/fd"
        while not any(self._is_written(fd, out or self.out) for fd in os.listdir(descriptors)):
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def _is_written(self, fd: str, out: Path) -> bool:
        path = f"/proc/{self.process.pid}/fd/{fd}"
        try:
            return str(out) in os.readlink(path) and os.stat(path).st_size > 0
        except OSError:
            return False

    def is_healthy(self) -> bool:
        """Whether the next request is served as ever."""
        (self.directory / "good").write_bytes(b"good")
        self.request(99, "good", "F\t/good\tgood")
        answer = self.response()
        served = {"good", "good.json"} <= self.outputs()
        return answer == {"exitCode": 0, "output": "", "requestId": 99} and served


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[_Worker]:
    running = _Worker(tmp_path)
    yield running
    assert running.process.stdin is not None
    running.process.stdin.close()
    assert running.process.wait(60) == 0
    assert running.process.stderr is not None
    assert b"Traceback" not in running.process.stderr.read()
    running.process.stderr.close()
    assert running.process.stdout is not None
    running.process.stdout.close()


def _big(worker: _Worker, size: int = 40_000_000) -> str:
    """A source that takes long to compress."""
    words = random.Random(1).choices([b"alpha ", b"beta ", b"gamma\n", b"\0\1"], k=100_000)
    data = b"".join(words)
    (worker.directory / "big").write_bytes(data * (size // len(data)))
    return "F\t/big\tbig"


def test_a_small_layer_does_not_wait_for_a_large_one(worker: _Worker) -> None:
    worker.request(1, "large", _big(worker), flags=_SLOW)
    worker.wait_for_bytes()
    assert worker.is_healthy()
    worker.send({"requestId": 1, "cancel": True})
    assert worker.response()["requestId"] == 1


def test_what_is_cancelled_leaves_nothing(worker: _Worker) -> None:
    worker.request(1, "large", _big(worker), flags=_SLOW)
    worker.wait_for_bytes()
    worker.send({"requestId": 1, "cancel": True})
    assert worker.response() == {
        "exitCode": 0,
        "output": "",
        "requestId": 1,
        "wasCancelled": True,
    }
    assert worker.outputs() == set()
    assert worker.is_healthy()


def test_a_worker_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    worker = _Worker(tmp_path)
    worker.request(1, "large", _big(worker), flags=_SLOW)
    worker.wait_for_bytes()
    worker.process.kill()
    worker.process.communicate()
    assert worker.outputs() == set()


def test_a_request_without_id_can_be_cancelled_too(worker: _Worker) -> None:
    worker.request(0, "large", _big(worker), flags=_SLOW)
    worker.wait_for_bytes()
    worker.send({"requestId": 0, "cancel": True})
    assert worker.response()["wasCancelled"]
    assert worker.outputs() == set()


def test_what_is_cancelled_can_be_asked_for_again_at_once(worker: _Worker) -> None:
    big = _big(worker)
    worker.request(1, "large", big, flags=_SLOW)
    worker.wait_for_bytes()
    worker.send({"requestId": 1, "cancel": True})
    worker.request(2, "large", big)
    answers = {answer["requestId"]: answer for answer in (worker.response(), worker.response())}
    assert answers[1].get("wasCancelled")
    assert answers[2] == {"exitCode": 0, "output": "", "requestId": 2}
    assert worker.outputs() == {"large", "large.json"}


def test_cancelling_what_does_not_run_is_nothing(worker: _Worker) -> None:
    worker.send({"requestId": 7, "cancel": True})
    assert worker.is_healthy()
    worker.send({"requestId": 99, "cancel": True})
    assert worker.is_healthy()


def test_many_at_once(worker: _Worker) -> None:
    for number in range(1, 31):
        (worker.directory / f"f{number}").write_bytes(b"%d" % number * 1000)
        worker.request(number, f"l{number}", f"F\t/f\tf{number}")
    answers = [worker.response() for _ in range(30)]
    assert sorted(answer["requestId"] for answer in answers) == list(range(1, 31))
    assert not any(answer["exitCode"] for answer in answers)
    digests = {json.loads((worker.out / f"l{n}.json").read_text())["digest"] for n in range(1, 31)}
    assert len(digests) == 30


def test_a_change_gives_the_bytes_of_a_new_worker(worker: _Worker) -> None:
    for number in range(40):
        data = random.Random(number).randbytes(150_000)
        (worker.directory / f"f{number:02}").write_bytes(data)
    lines = [f"F\t/f{number:02}\tf{number:02}" for number in range(40)]
    worker.request(1, "layer", *lines)
    assert worker.response()["exitCode"] == 0
    (worker.directory / "f20").write_bytes(b"changed")
    (worker.out / "layer").unlink()
    worker.request(2, "layer", *lines)
    assert worker.response()["exitCode"] == 0
    worker.request(3, "new", *lines)
    assert worker.response()["exitCode"] == 0
    assert (worker.out / "layer").read_bytes() == (worker.out / "new").read_bytes()
    assert (worker.out / "layer.json").read_bytes() == (worker.out / "new.json").read_bytes()


def test_requests_run_side_by_side_in_sandboxes(worker: _Worker) -> None:
    large = worker.sandbox("sandbox/1/main")
    _big(worker)
    (worker.directory / "big").rename(large / "file")
    small = worker.sandbox("sandbox/2/main")
    (small / "file").write_bytes(b"small")
    (worker.directory / "file").write_bytes(b"of the worker itself")
    parameters = large / "arguments"
    parameters.write_text("\n".join([*_SLOW, "--output=out/layer", "--metadata=out/layer.json"]))
    arguments = ["@arguments", "F\t/file\tfile", f"--recipe={_RECIPE}"]
    worker.send({"requestId": 1, "arguments": arguments, "sandboxDir": "sandbox/1/main"})
    worker.wait_for_bytes(large / "out")
    worker.request(2, "layer", "F\t/file\tfile", sandbox="sandbox/2/main")
    answers = [worker.response(), worker.response()]
    assert answers == [
        {"exitCode": 0, "output": "", "requestId": 2},
        {"exitCode": 0, "output": "", "requestId": 1},
    ]
    sizes = [_size_of_file(sandbox / "out/layer") for sandbox in (large, small)]
    assert sizes == [(large / "file").stat().st_size, len(b"small")]
    assert (large / _RECIPE).exists()
    assert worker.outputs() == set()
    assert worker.is_healthy()


_RECIPE = "out/layer.recipe"


def _size_of_file(layer: Path) -> int:
    with tarfile.open(layer) as archive:
        return archive.getmember("file").size


def test_what_was_built_in_one_sandbox_is_known_in_the_next(worker: _Worker) -> None:
    names = [f"f{number:02}" for number in range(40)]
    for number, name in enumerate(names):
        data = random.Random(number).randbytes(150_000)
        (worker.directory / name).write_bytes(data)
    lines = [f"F\t/{name}\t{name}" for name in names]
    first = worker.sandbox("sandbox/1/main", *names)
    worker.request(1, "layer", *lines, sandbox="sandbox/1/main")
    assert worker.response()["exitCode"] == 0
    # Bazel moves outputs to where they belong, and deletes the sandbox.
    moved = (first / "out/layer").rename(worker.out / "layer")
    shutil.rmtree(first)
    # With nothing in it that could be read.
    second = worker.sandbox("sandbox/2/main")
    worker.request(2, "layer", *lines, sandbox="sandbox/2/main")
    assert worker.response() == {"exitCode": 0, "output": "", "requestId": 2}
    assert (second / "out/layer").read_bytes() == moved.read_bytes()


def test_a_sandbox_that_is_gone_fails_its_own_request(worker: _Worker) -> None:
    worker.request(1, "layer", "E\t/x", sandbox="sandbox/gone")
    answer = worker.response()
    assert answer["exitCode"] != 0
    assert "sandbox/gone" in answer["output"]
    assert worker.is_healthy()


def test_a_vanished_file(worker: _Worker) -> None:
    worker.request(1, "layer", "F\t/gone\tgone")
    answer = worker.response()
    assert answer["exitCode"] != 0
    assert "gone is not there" in answer["output"]
    assert worker.outputs() == set()
    assert worker.is_healthy()


def test_a_file_that_changes_while_it_is_read(worker: _Worker) -> None:
    worker.request(1, "large", _big(worker), flags=_SLOW)
    worker.wait_for_bytes()
    os.truncate(worker.directory / "big", 1000)
    answer = worker.response()
    assert answer["exitCode"] != 0
    assert "big changed while it was read" in answer["output"]
    assert worker.outputs() == set()
    assert worker.is_healthy()


def test_no_room_for_the_output(worker: _Worker) -> None:
    (worker.directory / "random").write_bytes(random.Random(1).randbytes(5_000_000))
    resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
    worker.request(1, "layer", "F\t/random\trandom")
    answer = worker.response()
    assert answer["exitCode"] != 0
    assert "the layer cannot be written: File too large" in answer["output"]
    assert worker.outputs() == set()
    assert worker.is_healthy()
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, unlimited)
    worker.request(2, "layer", "F\t/random\trandom")
    assert worker.response()["exitCode"] == 0


#: Builds a layer, then one more with room for a thread and none for a buffer; a worker has
#: imported by then what it reads requests with.
_EXHAUSTED = """
import json, os, resource, sys, threading
from lading.actions import layer, worker
layer.run(worker.Request(["--output=first", "--metadata=first.json", "E\\t/x"]))
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * os.sysconf("SC_PAGE_SIZE") + (1 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
threading.stack_size(1 << 16)
worker.main(layer.run)
"""


@pytest.mark.parametrize("persistent", [False, True])
def test_no_memory_for_a_buffer(tmp_path: Path, *, persistent: bool) -> None:
    arguments = ["--output=layer", "--metadata=layer.json", "E\t/x"]
    request = json.dumps({"arguments": arguments, "inputs": []})
    done = subprocess.run(
        [sys.executable, "-c", _EXHAUSTED, *(["--persistent_worker"] if persistent else arguments)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        input=f"{request}\n" if persistent else "",
        capture_output=True,
        text=True,
        check=False,
    )
    code, output = done.returncode, done.stderr
    if persistent:
        answer = json.loads(done.stdout)
        code, output = answer["exitCode"], answer["output"]
    assert (code, output.count("\n")) == (9, 1)
    assert output.startswith("there is not enough memory for this layer")
    assert {path.name for path in tmp_path.iterdir()} == {"first", "first.json"}


@pytest.mark.parametrize(
    "parts",
    [
        '"inputs": null',
        '"inputs": ["a"]',
        '"inputs": [{"digest": "x"}]',
        '"inputs": [{"path": []}]',
        '"arguments": null',
        '"arguments": [1]',
        '"arguments": [["a"]]',
        '"arguments": ["--output=\\u0000"]',
        '"arguments": ["@/no/such/file"]',
    ],
)
def test_a_bad_request_with_an_id_is_answered(worker: _Worker, parts: str) -> None:
    """Bazel waits for it."""
    worker.send(f'{{"requestId": 7, {parts}}}')
    answer = worker.response()
    assert answer["requestId"] == 7
    assert answer["exitCode"] != 0


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "null",
        '{"requestId": "x"}',
        '{"requestId": NaN}',
        '{"requestId": 1e999}',
        "[" * 100_000,
    ],
)
def test_what_is_no_request(worker: _Worker, line: str) -> None:
    worker.send(line)
    assert worker.is_healthy()
