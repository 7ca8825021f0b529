"""The service that is started where none runs; `podman` is a stand-in."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from lading.engine.podman import Podman
from lading.oci.platform import MACHINES

_SERVICE = """#!{python}
import os, pathlib, sys, time
pathlib.Path("{directory}/pid").write_text(str(os.getpid()))
pathlib.Path(sys.argv[-1].removeprefix("unix://")).touch()
time.sleep(60)
"""
_USER = """
import sys, time
sys.path[:] = {path!r}
from lading.engine.podman import Podman
engine = Podman(None)
engine._api()
print("there", flush=True)
if sys.argv[1] == "close":
    engine.close()
else:
    time.sleep(60)
"""


@pytest.mark.skipif(not shutil.which("setpriv"), reason="util-linux is not installed here")
def test_a_service_that_was_started_here_is_not_asked_for_its_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in would not answer; podman takes half a second to."""
    program = tmp_path / "podman"
    program.write_text(_SERVICE.format(python=sys.executable, directory=tmp_path))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with contextlib.closing(Podman(None)) as engine:
        platform = engine.platform()
    assert (platform.os, platform.architecture) == ("linux", MACHINES[os.uname().machine])


def _is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not shutil.which("setpriv"), reason="util-linux is not installed here")
@pytest.mark.parametrize("end", ["close", "kill"])
def test_the_service_ends_with_who_started_it(tmp_path: Path, end: str) -> None:
    program = tmp_path / "podman"
    program.write_text(_SERVICE.format(python=sys.executable, directory=tmp_path))
    program.chmod(0o755)
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        user = subprocess.Popen(
            [sys.executable, "-c", _USER.format(path=sys.path), end],
            env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "TMPDIR": short},
            stdout=subprocess.PIPE,
        )
        assert user.stdout is not None
        assert user.stdout.readline() == b"there\n"
        pid = int((tmp_path / "pid").read_text())
        if end == "kill":
            user.kill()
        user.communicate()
        deadline = time.monotonic() + 20
        while _is_there(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not _is_there(pid)
