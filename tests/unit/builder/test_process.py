"""A builder's processes: lines while they run, and none left when the time is over."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from lading.builder.process import run
from lading.errors import EngineError, LimitError

_ENV = {"PATH": os.environ.get("PATH", os.defpath)}


def _script(directory: Path, text: str) -> list[str]:
    path = directory / "script"
    path.write_text(text)
    return ["sh", str(path)]


def _running(mark: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in entry.read_bytes():
                found.append(entry.parent.name)
        except OSError:
            continue
    return found


def test_lines_come_while_it_runs(tmp_path: Path) -> None:
    seen: list[tuple[str, float]] = []
    start = time.monotonic()
    code = run(
        _script(tmp_path, "echo first; sleep 1; echo second >&2; printf third; exit 7"),
        env=_ENV,
        on_line=lambda line: seen.append((line, time.monotonic() - start)),
    )
    assert code == 7
    assert [line for line, _ in seen] == ["first", "second", "third"]
    assert seen[0][1] < 0.9 < seen[1][1]


def test_when_the_time_is_over_the_whole_tree_ends(tmp_path: Path) -> None:
    mark = f"3{os.getpid()}.5"
    text = f"setsid sleep {mark} & sh -c 'trap \"\" TERM; sleep {mark}; true' & sleep {mark}"
    with pytest.raises(LimitError, match=r"did not end within 0\.5 s"):
        run(_script(tmp_path, text), env=_ENV, on_line=print, timeout=0.5)
    assert _running(mark) == []


def test_an_exception_ends_it_too(tmp_path: Path) -> None:
    mark = f"4{os.getpid()}.5"

    def stop(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(_script(tmp_path, f"echo x; sleep {mark}"), env=_ENV, on_line=stop)
    assert _running(mark) == []


def test_what_it_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    mark = f"5{os.getpid()}.5"
    assert run(_script(tmp_path, f"sleep {mark} >/dev/null 2>&1 &"), env=_ENV, on_line=print) == 0
    assert _running(mark) == []


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(EngineError):
        run(["/nowhere/program"], env=_ENV, on_line=print)


def test_two_at_once_do_not_end_each_other() -> None:
    codes: list[int] = []

    def work() -> None:
        codes.append(run(["sh", "-c", "sleep 0.6; exit 5"], env=_ENV, on_line=print))

    thread = threading.Thread(target=work)
    thread.start()
    with pytest.raises(LimitError):
        run(["sleep", "20"], env=_ENV, on_line=print, timeout=0.2)
    thread.join()
    assert codes == [5]
