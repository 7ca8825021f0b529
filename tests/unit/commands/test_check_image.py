"""Command tests of images: what becomes of a command that does not end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lading.commands import check_image
from lading.commands.structure_config import Command

#: Notes what it is asked, and hangs where it is to run something.
_DOCKER = """#!/bin/sh
echo "$@" >>{note}
[ "$1" != run ] || exec sleep 60
"""


def test_the_container_of_a_command_that_does_not_end_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note, program = tmp_path / "asked", tmp_path / "docker"
    program.write_text(_DOCKER.format(note=note))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.defpath}")
    monkeypatch.setattr(check_image, "_SECONDS", 0.5)
    command = Command("hangs", ("/bin/app",), {}, 0, (), (), (), ())
    assert check_image._run_one("docker", "image", command) == "it did not end within 0.5 s"
    run, rm = note.read_text().splitlines()
    [name] = [word.removeprefix("--name=") for word in run.split() if word.startswith("--name=")]
    assert rm == f"rm --force {name}"
