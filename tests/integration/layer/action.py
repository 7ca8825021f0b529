"""Runs the layer action as Bazel does: a process of its own, once or as a persistent worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

__all__ = ["KINDS", "PYTHONPATH", "Layer", "Worker", "arguments", "build", "command"]

#: Where the tool and its pinned wheels are, for any interpreter that can load them; without the
#: standard library of this one.
PYTHONPATH = os.pathsep.join(
    path for path in sys.path if path and not path.startswith(f"{sys.base_prefix}/lib/")
)

#: Flags that each kind of layer is made with.
KINDS: Mapping[str, Sequence[str]] = {
    **{
        f"{kind}/{profile}": (f"--compression={kind}", f"--profile={profile}")
        for kind in ("gzip", "zstd")
        for profile in ("fast", "small", "smallest")
    },
    "none": ("--compression=none",),
    "estargz": ("--compression=gzip", "--profile=fast", "--estargz=1"),
}


@dataclass(frozen=True)
class Layer:
    """What the action left: a blob, and what it says about it."""

    blob: bytes
    metadata: Mapping[str, Any]


def arguments(output: Path, lines: Sequence[str], flags: Sequence[str]) -> list[str]:
    """The action's arguments for a layer at `output`; its sources are relative paths."""
    return [f"--output={output}", f"--metadata={output}.json", *flags, *lines]


def command(python: Sequence[str] = (sys.executable,)) -> list[str]:
    """What starts the tool; `-s -P` keep the user's packages and directory out of it."""
    return [*python, "-s", "-P", "-m", "lading.actions.layer"]


def read(output: Path) -> Layer:
    return Layer(output.read_bytes(), json.loads(Path(f"{output}.json").read_bytes()))


def build(
    root: Path,
    output: Path,
    lines: Sequence[str],
    flags: Sequence[str],
    *,
    python: Sequence[str] = (sys.executable,),
    env: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
    umask: int = 0o022,
    timeout: float = 300,
) -> Layer:
    """Builds a layer by a process of its own.

    Args:
        root: directory that sources are relative to.
        output: where the blob is to be.
        lines: sources.
        flags: of the action.
        python: the interpreter, with what comes before it.
        env: the whole environment but for PYTHONPATH.
        prefix: a program that starts the interpreter.
        umask: of the process.
        timeout: in seconds.
    """
    parameters = Path(f"{output}.params")
    parameters.write_text("\n".join(arguments(output, lines, flags)) + "\n")
    done = subprocess.run(
        [*prefix, *command(python), f"@{parameters}"],
        cwd=root,
        env={"PYTHONPATH": PYTHONPATH, "PATH": os.defpath, **(env or {})},
        umask=umask,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return read(output)


class Worker:
    """A persistent worker; a context manager."""

    def __init__(self, root: Path) -> None:
        self._process = subprocess.Popen(
            [*command(), "--persistent_worker"],
            cwd=root,
            env={"PYTHONPATH": PYTHONPATH, "PATH": os.defpath},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(timeout=60) == 0
        assert self._process.stdout is not None
        self._process.stdout.close()

    def send(self, number: int, words: Sequence[str], inputs: Mapping[str, str]) -> None:
        """Sends a request; `inputs` are paths and Bazel's digests of them."""
        listed = [{"path": path, "digest": digest} for path, digest in inputs.items()]
        request = {"requestId": number, "arguments": list(words), "inputs": listed}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        """The next answer, of whichever request."""
        assert self._process.stdout is not None
        value: dict[str, Any] = json.loads(self._process.stdout.readline())
        return value

    def build(
        self,
        number: int,
        output: Path,
        lines: Sequence[str],
        flags: Sequence[str],
        inputs: Mapping[str, str],
    ) -> Layer:
        """One request, which has to succeed."""
        self.send(number, arguments(output, lines, flags), inputs)
        answer = self.receive()
        assert (answer["requestId"], answer["exitCode"]) == (number, 0), answer["output"]
        return read(output)
