"""Runs Nix: builds what an image is to hold, and asks for its closure."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lading.errors import EngineError

__all__ = ["build", "path_info", "programs"]

_FEATURES = "--extra-experimental-features"


def build(
    nix: Path, expression: str, attributes: Sequence[str], *, flake: bool, link: Path, cwd: Path
) -> list[str]:
    """Builds attributes; returns the store paths of their outputs.

    Args:
        nix: the program `nix`; `nix-build` lies beside it.
        expression: path of a Nix file or of a flake's directory.
        attributes: what to build of it; none means the file's own value, or the flake's default.
        flake: whether it is a flake.
        link: a path at which links keep Nix from collecting the results.
        cwd: where to run.

    Raises:
        EngineError: Nix cannot be run, or failed.
    """
    if flake:
        command = [str(nix), "build", _FEATURES, "nix-command flakes", "--print-out-paths"]
        command += ["--out-link", str(link)]
        command += [f"{expression}#{attribute}" for attribute in attributes] or [expression]
    else:
        command = [str(nix.with_name("nix-build")), "--out-link", str(link), expression]
        command += [word for attribute in attributes for word in ("-A", attribute)]
    return _run(command, cwd).split()


def path_info(nix: Path, paths: Sequence[str], *, cwd: Path) -> bytes:
    """What `nix path-info --json` says of the closure of `paths`.

    Raises:
        EngineError: Nix cannot be run, or failed.
    """
    command = [str(nix), "path-info", _FEATURES, "nix-command", "--recursive", "--json"]
    try:
        # Nix 2.33 and later ask for the format; those before 2.32 know no other.
        return _run([*command, "--json-format", "1", *paths], cwd).encode()
    except EngineError as error:
        if "json-format" not in error.what:
            raise
    return _run([*command, *paths], cwd).encode()


def programs(root: Path) -> list[str]:
    """The names of the programs that an object of a store has in `bin`."""
    try:
        return sorted(item.name for item in os.scandir(root / "bin"))
    except OSError:
        return []


def _run(command: Sequence[str], cwd: Path) -> str:
    try:
        done = subprocess.run(
            command, cwd=cwd, capture_output=True, encoding="utf-8", errors="replace", check=False
        )
    except OSError as error:
        raise EngineError(
            f"{command[0]} cannot be run: {error.strerror}",
            fix="install Nix, or use a closure that was exported: docs/nix.md",
        ) from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()][-20:]
        text = "\n  ".join(lines) or f"it ended with {done.returncode}"
        raise EngineError(f"{Path(command[0]).name} {command[1]} failed:\n  {text}")
    return done.stdout
