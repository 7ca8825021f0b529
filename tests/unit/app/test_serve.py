"""The program itself: what it prints, where it listens, how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from lading_dashboard.serve import listen, url_of
from tests.unit.app.made import Layout


def _start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lading_dashboard", *arguments],
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.defpath}
        | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_where_it_is_and_ends_when_told(tmp_path: Path, stop: signal.Signals) -> None:
    layout = Layout(tmp_path / "layouts" / "app")
    root = layout.tag(layout.manifest(), "latest")
    with _start(LADING_STORE=str(tmp_path)) as process:
        assert process.stdout is not None
        line, shown = process.stdout.readline(), process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:[0-9]+/", line)
        assert found, line + process.communicate()[1]
        with urllib.request.urlopen(found.group() + "api/images", timeout=10) as answer:
            assert str(root.digest) in answer.read().decode()
            assert "server" not in answer.headers
        process.send_signal(stop)
        _, err = process.communicate(timeout=20)
    assert process.returncode in (0, -stop)
    assert str(tmp_path) in shown
    assert err == ""


def test_port_in_use_is_told_in_two_lines() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with _start(f"--port={port}", "/none") as process:
            out, err = process.communicate(timeout=20)
    assert process.returncode == 8
    assert out == ""
    assert err.splitlines() == [
        f"lading_dashboard: port {port} of 127.0.0.1 is in use",
        "  choose another with --port, or --port=0 for any free one",
    ]


@pytest.mark.parametrize(
    ("argument", "code", "told"),
    [
        ("--port=x", 2, "'x' is not a port"),
        ("--host=192.0.2.1", 3, "cannot listen on 192.0.2.1"),
        ("--host=no such", 3, "'no such' is not an address"),
    ],
)
def test_what_cannot_work_is_told_without_a_traceback(argument: str, code: int, told: str) -> None:
    with _start(argument, "/none") as process:
        _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert told in err
    assert len(err.splitlines()) <= 2


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:"), ("0.0.0.0", "http://localhost:")],
)
def test_address_is_one_that_a_browser_opens(host: str, url: str) -> None:
    with listen(host, 0) as sock:
        assert url_of(sock).startswith(url)
