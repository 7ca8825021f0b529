"""The flags that a `bazel run` target gives its command: what the target is about."""

from __future__ import annotations

from pathlib import Path

from lading.commands import flags
from lading.errors import UsageError

__all__ = ["define", "files"]


def define(values: flags.FlagValues) -> None:
    """Adds the flags to a command's."""
    flags.define_string("spec", "", "Deploy specification (JSON).", flag_values=values)
    flags.define_string("runfiles", "", "Directory of the runfiles.", flag_values=values)
    values.hide("spec", "runfiles")


def files(values: flags.FlagValues, example: str) -> tuple[Path, Path]:
    """The specification and the directory of the runfiles.

    Args:
        values: the command's flags.
        example: a target that gives them, for the UsageError raised where they are missing.
    """
    if not values.spec or not values.runfiles:
        raise UsageError(
            "--spec and --runfiles are missing", fix=f"run it with bazel run {example}"
        )
    return Path(values.spec), Path(values.runfiles)
