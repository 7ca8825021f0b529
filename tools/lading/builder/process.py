"""Runs a builder's program: its lines as they come, an end for the whole tree of processes."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from lading.engine.tied import tied
from lading.errors import EngineError, LimitError

__all__ = ["run"]

_CHUNK = 64 * 1024
#: Longest line that is kept; what follows in it is dropped.
_LONGEST = 1024 * 1024
#: Seconds that processes have to end by themselves before they are killed.
_GRACE = 3.0


def run(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    on_line: Callable[[str], None],
    timeout: float = 0,
) -> int:
    """Runs a program to its end and returns its exit code, negative for a signal.

    Args:
        command: program and arguments.
        env: its whole environment.
        on_line: called with each line of its output and error output, while it runs.
        timeout: seconds it may take, 0 for any time.

    Raises:
        EngineError: it cannot be started.
        LimitError: the time is over.
        BaseException: what `on_line` raises, a signal's KeyboardInterrupt included.

    In each case no process that it started is left, those in sessions of their own included.
    """
    if shutil.which(command[0]) is None:
        raise EngineError(f"{command[0]} cannot be run: there is no such program")
    try:
        process = subprocess.Popen(
            [*tied("KILL"), *command],
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise EngineError(f"{command[0]} cannot be run: {error.strerror}") from None
    assert process.stdout is not None
    deadline = time.monotonic() + timeout if timeout else None
    try:
        with process.stdout:
            for line in _lines(process.stdout.fileno(), deadline):
                on_line(line)
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        return process.wait(left)
    except (TimeoutError, subprocess.TimeoutExpired):
        raise LimitError(
            f"the build did not end within {timeout:g} s and was stopped",
            fix="give it more time (timeout), or see in its last lines what it waits for",
        ) from None
    finally:
        _end(process)


def _lines(fd: int, deadline: float | None) -> Iterator[str]:
    """Lines until the end of the pipe; raises TimeoutError."""
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            if (left is not None and left <= 0) or not selector.select(left):
                raise TimeoutError
            block = os.read(fd, _CHUNK)
            if not block:
                break
            *complete, pending = (pending + block).split(b"\n")
            pending = pending[:_LONGEST]
            for line in complete:
                yield line.rstrip(b"\r").decode("utf-8", "replace")
    if pending:
        yield pending.decode("utf-8", "replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends what is left of the tree below `process`."""
    if process.poll() is not None and not _descendants(process.pid):
        return
    for number, grace in ((signal.SIGTERM, _GRACE), (signal.SIGKILL, _GRACE)):
        # Collected before the first signal: orphans have another parent afterwards.
        pids = {process.pid, *_descendants(process.pid)}
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        end = time.monotonic() + grace
        while time.monotonic() < end and any(_alive(pid) for pid in pids):
            process.poll()
            time.sleep(0.02)
    process.wait()


def _descendants(root: int) -> set[int]:
    """Processes below `root`, and those of its session, which outlive their parents."""
    parents: dict[int, int] = {}
    sessions: dict[int, int] = {}
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else []:
        if entry.isdecimal():
            with contextlib.suppress(OSError, ValueError, IndexError):
                # proc_pid_stat(5): the name, in brackets, may hold anything.
                fields = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
                if fields[0] != "Z":
                    parents[int(entry)], sessions[int(entry)] = int(fields[1]), int(fields[3])
    found = {pid for pid, session in sessions.items() if session == root}
    todo = [root, *found]
    while todo:
        below = [pid for pid, parent in parents.items() if parent == todo[-1] and pid not in found]
        todo.pop()
        found.update(below)
        todo += below
    return found - {root}


def _alive(pid: int) -> bool:
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
