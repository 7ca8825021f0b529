"""Runs bazelw in a checkout of its own, with programs that tests put in its way."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Checkout", "program"]

_SCRIPTS = ["bazelw", "tools/bazel", "tools/bazelw/bazel", "tools/bazelw/enter.sh"]
_FILES = ["tools/bazelw/root.sh"]
_PROGRAMS = """
    basename cat chmod cut date dirname env find flock grep head id ls mkdir mktemp mv paste
    readlink rm sed seq sh sha256sum sleep sort sync tail tar touch tr uname
"""


def program(path: Path, text: str) -> Path:
    """Writes an executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # writing would go through a link
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@dataclass(frozen=True)
class Checkout:
    """A copy of the scripts, a PATH with only what `bin` holds and the shell's tools, a cache."""

    root: Path
    bin: Path
    cache: Path

    @classmethod
    def create(cls, directory: Path, name: str = "check out") -> Checkout:
        """A checkout whose path has a space, in the empty `directory`."""
        root = directory / name
        for file in _SCRIPTS + _FILES:
            target = root / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
            target.chmod(0o755 if file in _SCRIPTS else 0o644)
        tools = directory / "bin"
        tools.mkdir()
        for name in _PROGRAMS.split():
            if found := shutil.which(name):
                (tools / name).symlink_to(found)
        return cls(root, tools, directory / "cache")

    def environment(self, **more: str) -> dict[str, str]:
        """What the scripts see of the outside."""
        return {
            "PATH": str(self.bin),
            "HOME": "/nowhere",
            "XDG_CACHE_HOME": str(self.cache),
            **more,
        }

    def start(self, *arguments: str, cwd: str = ".", **more: str) -> subprocess.Popen[str]:
        """Starts bazelw, with pipes for its output."""
        return subprocess.Popen(
            [self.root / "bazelw", *arguments],
            cwd=self.root / cwd,
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    def run(self, *arguments: str, cwd: str = ".", **more: str) -> subprocess.CompletedProcess[str]:
        """Runs bazelw to its end."""
        process = self.start(*arguments, cwd=cwd, **more)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)
