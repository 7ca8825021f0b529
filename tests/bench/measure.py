"""What a command takes.

The kernel counts the memory of whoever starts a program as the program's own. So a process that
has imported next to nothing starts it and waits for it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import IO, NamedTuple

__all__ = ["Measured", "measure"]

_WAIT = """\
import os, sys, time
started = time.perf_counter()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
seconds = time.perf_counter() - started
cpu = usage.ru_utime + usage.ru_stime
with open(sys.argv[1], "w") as stream:
    stream.write(str([seconds, cpu, usage.ru_maxrss << 10, os.waitstatus_to_exitcode(status)]))
"""


class Measured(NamedTuple):
    """Seconds, CPU seconds, peak memory in bytes of a process and what it started, exit code."""

    seconds: float
    cpu: float
    peak: int
    code: int


def measure(
    command: list[str],
    environment: Mapping[str, str],
    *,
    output: IO[str] | None = None,
    errors: IO[str] | None = None,
) -> Measured:
    """Runs `command` to its end, whatever that is; where given, files take what it says."""
    with tempfile.NamedTemporaryFile("r", prefix="lading-bench-") as result:
        waiting = [sys.executable, "-I", "-S", "-c", _WAIT, result.name, *command]
        subprocess.run(
            waiting,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            check=True,
        )
        return Measured(*json.load(result))
