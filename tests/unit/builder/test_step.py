"""What a command changed, whatever the builder's storage calls it."""

from __future__ import annotations

import io

import pytest

from lading.builder import step
from lading.builder.failure import BuildError
from lading.builder.normalise import whiteout
from lading.errors import InputError
from lading.layer.entries import DIRECTORY, FILE, Entry, Meta
from lading.layer.view import View
from tests.unit.store import tiny

_BASE = tiny.layer({"d/a": b"a", "d/kept": b"k", "d/s/b": b"b", "d/f/c": b"c", "etc/x": b"x"})


def _changes(*entries: Entry) -> list[str]:
    view = View([lambda: io.BytesIO(_BASE.blob)])
    return sorted(entry.path for entry in step._changes(list(entries), view))


def _directory(path: str, mode: int = 0o755) -> Entry:
    return Entry(path, DIRECTORY, Meta(mode))


def _file(path: str) -> Entry:
    return Entry(path, FILE, Meta(0o644), b"new")


def test_a_replaced_directory_is_said_by_whiteouts_of_what_is_gone() -> None:
    """`d` was removed and made again, with a directory `s`, and a file where a directory was."""
    opaque = [whiteout("d/.wh..wh..opq"), _directory("d"), _directory("d/s"), _file("d/f")]
    explicit = [whiteout("d/.wh.a"), whiteout("d/.wh.kept"), whiteout("d/s/.wh.b"), _file("d/f")]
    assert _changes(*opaque, _file("d/s/new")) == _changes(*explicit, _file("d/s/new"))
    assert _changes(*opaque) == ["d/.wh.a", "d/.wh.kept", "d/f", "d/s/.wh.b"]
    # What is opaque and new hides nothing.
    assert _changes(_directory("n"), whiteout("n/.wh..wh..opq")) == ["n"]


def test_directories_as_they_were_and_the_builders_files_are_left_out() -> None:
    entries = [_directory("etc"), _directory("d", 0o700), _directory("new"), _file("etc/new")]
    noise = [_file("etc/hosts"), _file("etc/resolv.conf"), _directory("proc"), _file("dev/null")]
    assert _changes(*entries, *noise, _directory("inputs")) == ["d", "etc/new", "new"]


def test_the_command_is_in_exec_form_and_quoted() -> None:
    mounts = "--mount=type=bind,source=inputs,target=/inputs --mount=type=secret,id=token"
    wanted = step.Step(["/bin/x", 'a "b" $c'], {"A": 'x "$y" \\'}, "1:1", "/a$b")
    assert wanted.dockerfile(["token"]).splitlines() == [
        "FROM base",
        "USER 1:1",
        "WORKDIR /a\\$b",
        'ENV A="x \\"\\$y\\" \\\\"',
        f"RUN {mounts} " + '["/bin/x", "a \\"b\\" $c"]',
    ]
    for command in ([], ["/bin/x\nRUN evil"]):
        with pytest.raises(InputError):
            step.Step(command).dockerfile([])


def test_a_failure_names_the_command_and_no_dockerfile() -> None:
    """The Dockerfile is the step's own: nobody has written it, so no line of it helps."""
    wanted = step.Step(["/bin/sh", "-c", "exit 7"])
    error = step._failed(wanted, BuildError("Dockerfile, line 4 failed", line=4, status=7))
    assert error.what == "the command /bin/sh -c 'exit 7' failed with exit status 7"
    assert (error.line, error.status) == (0, 7)
    assert "gone" in step._failed(wanted, BuildError("the daemon is gone")).what
