"""Threads of one process in working directories of their own."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lading.actions import sandbox


def test_two_at_once_are_each_in_their_own(tmp_path: Path) -> None:
    both = threading.Barrier(2, timeout=60)
    home = os.getcwd()

    def work(name: str) -> list[str]:
        (tmp_path / name).mkdir()
        with sandbox.inside(str(tmp_path / name)):
            both.wait()
            # A thread begins where the one is that starts it.
            with ThreadPoolExecutor(1) as pool:
                inner = pool.submit(os.getcwd).result()
            both.wait()
            return [os.getcwd(), inner]

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(work, ["one", "two"]))
    assert results == [[str(tmp_path / name)] * 2 for name in ("one", "two")]
    assert os.getcwd() == home


def test_without_unshare_they_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_unshare", lambda: False)
    home = os.getcwd()
    entered = threading.Event()
    leave = threading.Event()

    def first() -> str:
        with sandbox.inside(str(tmp_path)):
            entered.set()
            assert leave.wait(60)
            return os.getcwd()

    def second() -> str:
        with sandbox.inside("/"):
            assert leave.is_set()
            return os.getcwd()

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(first)
        assert entered.wait(60)
        two = pool.submit(second)
        leave.set()
        assert (one.result(), two.result()) == (str(tmp_path), "/")
    assert os.getcwd() == home


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    home = os.getcwd()
    with pytest.raises(FileNotFoundError), sandbox.inside(str(tmp_path / "gone")):
        pass
    assert os.getcwd() == home
