"""Builders' own progress as lading's lines of JSON (S3.4): statuses, ids, bytes, errors.

The recordings are of buildx 0.29 and buildah 1.43; a host name in them was replaced.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

from lading.builder.dockerfile import parse
from lading.builder.failure import BuildError, failure
from lading.builder.progress import Event, Status, Tail
from lading.builder.rawjson import RawJson
from lading.builder.steps import Steps
from lading.errors import EngineError, StorageError

_HERE = Path(__file__).parent


def _read(name: str) -> tuple[RawJson, list[Event]]:
    reader = RawJson()
    lines = (_HERE / name).read_text().splitlines()
    return reader, [event for line in lines for event in reader.feed(line)]


def test_a_build_that_works() -> None:
    _, events = _read("works.rawjson")
    assert {event.status for event in events} <= set(get_args(Status))
    output = [event.text for event in events if event.status == "output"]
    assert sorted(output) == ["err", "one", "three", "two"]
    steps = {event.name for event in events if event.status == "done"}
    assert any(name.endswith("COPY big /big") for name in steps)
    sent = [event for event in events if event.status == "progress"]
    assert max(event.current for event in sent) >= 3_000_000
    for event in events:
        value = json.loads(event.to_json())
        assert value["status"] == event.status
        assert "" not in value.values()


def test_each_step_begins_and_ends_once() -> None:
    _, events = _read("works.rawjson")
    for status in ("started", "done", "cached"):
        told = [event.id for event in events if event.status == status]
        assert len(told) == len(set(told)), status


def test_a_build_that_fails_names_line_status_and_reason() -> None:
    reader, events = _read("fails.rawjson")
    assert (reader.line, reader.status) == (3, 3)
    assert reader.message().startswith('process "/bin/sh -c echo before; exit 3"')
    [error] = [event for event in events if event.status == "error"]
    assert "exit code: 3" in error.text


def test_what_is_no_progress_is_passed_over() -> None:
    reader = RawJson()
    for line in ("{", "[]", "{}", '{"vertexes": 3}', '{"logs":[{"data":"%"}]}', '{"statuses":[1]}'):
        assert all(event.status == "info" for event in reader.feed(line))


def test_buildahs_text() -> None:
    steps = Steps(parse((_HERE / "fails.Dockerfile").read_text()))
    lines = (_HERE / "fails.buildah").read_text().splitlines()
    events = [event for line in lines for event in steps.feed(line)]
    assert [event.line for event in events if event.status == "started"] == [1, 2, 3]
    assert "before" in [event.text for event in events if event.id == "1.3"]
    assert (steps.line, steps.status) == (3, 3)
    assert "exit status 3" in steps.message()


def test_buildahs_own_structures_are_left_out() -> None:
    steps = Steps(parse("FROM base\nCOPYY a /a\n"))
    line = 'Error: building at STEP "COPYY ": Build error: Unknown instruction: "COPYY"'
    list(steps.feed(f'{line} &imagebuilder.Step{{Env:[]string{{"A=B"}}, Command:"copyy"}}'))
    assert steps.message() == line.removeprefix("Error: ")


def test_failures_are_told_apart() -> None:
    error = failure("Docker", "exit code: 3", line=4, status=3, step=True)
    assert isinstance(error, BuildError)
    assert error.what == "Dockerfile, line 4 failed with exit status 3: exit code: 3"
    assert isinstance(failure("Docker", "write /x: no space left on device"), StorageError)
    gone = failure("Docker", "rpc error: code = Unavailable desc = error reading from server: EOF")
    assert isinstance(gone, EngineError)
    assert "went away" in gone.what


def test_the_tail_keeps_forty_lines_and_no_secret() -> None:
    tail = Tail(40, ["hunter22\nsecond line"])
    for number in range(100):
        tail(Event("output", text=f"{number} hunter22 and second line"))
        tail(Event("progress", current=1))
    lines = str(tail).splitlines()
    assert len(lines) == 40
    assert lines[-1] == "  99 *** and ***"
