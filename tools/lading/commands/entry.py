"""What every command shares: reading flags, and turning a LadingError into an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from lading.commands import flags
from lading.errors import LadingError, StorageError

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["check_file", "here", "parse", "run", "start", "write_file"]


def parse(values: flags.FlagValues, argv: Sequence[str], *, usage: str) -> list[str]:
    """Reads `argv` (without the program's name) into `values`; returns what is no flag.

    `--dry-run` means the same as `--dry_run`. Every command has its own `FlagValues`, so that
    commands can be imported side by side.

    Raises:
        UsageError: an unknown flag or a value that a flag does not take.
        SystemExit: after `--help`, with the code 0.
    """
    words = [_with_underscores(word) for word in argv]
    end = words.index("--") if "--" in words else len(words)
    if {"--help", "-h"}.intersection(words[:end]):
        print(usage.strip(), "", values.get_help(), sep="\n")
        raise SystemExit(0)
    return values.parse(words)


def start(module: str, argv: Sequence[str]) -> None:
    """Runs the command that is the module of that name; see `run`."""
    run(lambda words: import_module(module).main(words), argv)


def run(main: Callable[[Sequence[str]], int], argv: Sequence[str] | None = None) -> None:
    """Runs a command as a program: never returns, never shows a traceback for a user's error.

    `argv` is without the program's name, and by default that of the process.
    """
    try:
        try:
            code = main(sys.argv[1:] if argv is None else argv)
        except LadingError as error:
            print(f"lading: {error}", file=sys.stderr)
            code = error.exit_code
        except KeyboardInterrupt:
            code = 130
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of stdout went away; what was asked for is done.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    sys.stderr.flush()
    # All work is done and all that has an end is closed; without this the interpreter would take
    # itself apart for another 20 ms, an unchanged push takes 6.
    os._exit(code)


def here(path: str | Path) -> Path:
    """A path relative to the directory in which `bazel run` was typed."""
    return Path(os.environ.get("BUILD_WORKING_DIRECTORY", "")) / path


def check_file(path: Path) -> None:
    """Raises StorageError if `write_file` is going to fail: better before the work than after."""
    path = here(path)
    if path.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise StorageError(
            f"{path} cannot be written", fix="name a file in a directory that is there"
        )


def write_file(path: Path, text: str) -> None:
    """Writes a file that somebody asked for, complete or not at all, with the mode that it had.

    A relative path is relative to the directory in which `bazel run` was typed. Raises
    StorageError.
    """
    import tempfile

    path = here(path)
    temporary = ""
    try:
        number, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(number, path.stat().st_mode & 0o777 if path.exists() else 0o644)
            file.flush()
            os.fsync(number)
        os.replace(temporary, path)
    except BaseException as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise StorageError(f"{path} cannot be written: {error.strerror}") from None
        raise


def _quiet(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)


# Ctrl-C ends a command without a traceback while it is still being imported, too.
sys.excepthook = _quiet


def _with_underscores(word: str) -> str:
    if not word.startswith("--") or len(word) == 2:
        return word
    name, equals, value = word.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value
