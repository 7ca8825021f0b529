"""The bar is for people at a terminal: nobody else sees it, and it leaves nothing behind.

So are words about what is waited for.
"""

from __future__ import annotations

import io
import os
import pty

import pytest

from lading.commands import connection, meter
from lading.commands.meter import Meter


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "_PATIENCE", 0.0)
    monkeypatch.setenv("TERM", "xterm")


def test_nothing_is_written_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    with Meter("sent", stream) as bar:
        bar(1, 2)
    assert stream.getvalue() == ""


def _on_a_terminal(updates: int) -> str:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as stream:
        with Meter("[app]: sent", stream) as bar:
            for number in range(updates):
                bar(number << 20, updates << 20)
        stream.write("END")
    text = b""
    while not text.endswith(b"END"):
        text += os.read(master, 65536)
    os.close(master)
    return text.decode()


def test_a_terminal_sees_what_and_how_much() -> None:
    text = _on_a_terminal(3)
    assert "lading: [app]: sent" in text
    assert "/3.0 MiB" in text


def test_the_line_is_wiped_and_the_cursor_is_back() -> None:
    text = _on_a_terminal(3)
    assert text.rindex("\x1b[2K") > text.rindex("sent")
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_without_updates_there_is_no_bar() -> None:
    assert _on_a_terminal(0) == "END"


@pytest.mark.parametrize("terminal", [True, False])
def test_what_is_waited_for_is_said_to_a_terminal(
    monkeypatch: pytest.MonkeyPatch, *, terminal: bool
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr("sys.stderr", stream)
    notice = connection.notice()
    assert (notice is not None) == terminal
    if notice is not None:
        notice("waiting")
    assert stream.getvalue() == ("lading: waiting\n" if terminal else "")
