"""What every command shares: reading flags, and turning a LadingError into an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from lading.commands import flags
from lading.errors import LadingError, StorageError, UsageError, cannot_write

__all__ = ["check_file", "here", "parse", "parse_flags", "run", "write_file"]


#: What a disk that is full, or no longer written to, answers.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


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


def parse_flags(
    values: flags.FlagValues,
    argv: Sequence[str],
    *,
    usage: str,
    fix: str = "--help lists the flags",
) -> None:
    """As `parse`, where nothing but flags is expected: raises UsageError for anything else."""
    if rest := parse(values, argv, usage=usage):
        raise UsageError(f"unexpected argument {rest[0]!r:.80}", fix=fix)


def run(main: Callable[[Sequence[str]], int], argv: Sequence[str] | None = None) -> None:
    """Runs a command as a program: never returns, never shows a traceback for a user's error.

    `argv` is without the program's name, and by default that of the process.
    """
    _open_streams()
    try:
        try:
            code = main(sys.argv[1:] if argv is None else argv)
        except LadingError as error:
            code = _fail(error)
        except KeyboardInterrupt:
            code = 130
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of stdout went away; what was asked for is done.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except OSError as error:
        if error.errno not in _FULL:
            raise
        what = error.filename or "the output"
        code = _fail(cannot_write(what, error))
    # All work is done and all that has an end is closed; without this the interpreter would take
    # itself apart for another 20 ms, an unchanged push takes 6.
    os._exit(code)


def _fail(error: LadingError) -> int:
    # Where nothing can be said, the code still tells.
    with contextlib.suppress(OSError):
        print(f"lading: {error}", file=sys.stderr, flush=True)
    return error.exit_code


def _open_streams() -> None:
    """Puts /dev/null where the caller closed standard input, output or error.

    Python has no stream there, and the next file or connection would take its number.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))


def here(path: str | Path) -> Path:
    """A path relative to the directory in which `bazel run` was typed."""
    return Path(os.environ.get("BUILD_WORKING_DIRECTORY", "")) / path


def check_file(path: Path) -> None:
    """Raises StorageError if `write_file` is going to fail: better before the work than after."""
    path = here(path)
    place = path if _is_special(path) else path.parent
    if path.is_dir() or not os.access(place, os.W_OK if place is path else os.W_OK | os.X_OK):
        raise StorageError(
            f"{path} cannot be written", fix="name a file in a directory that is there"
        )


def write_file(path: Path, text: str) -> None:
    """Writes a file that somebody asked for, complete or not at all, with the mode that it had.

    A device or a pipe, such as /dev/stdout, is written to as it is. A relative path is relative to
    the directory in which `bazel run` was typed. Raises StorageError.
    """
    import tempfile

    path = here(path)
    temporary = ""
    try:
        if _is_special(path):
            with path.open("a", encoding="utf-8") as file:
                file.write(text)
            return
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
            raise cannot_write(path, error) from None
        raise


def _is_special(path: Path) -> bool:
    """Whether it is a device, a pipe, or another name of a file that is open."""
    if not path.exists() or path.is_dir():
        return False
    return not path.is_file() or str(path).startswith(("/dev/std", "/dev/fd/", "/proc/"))


def _with_underscores(word: str) -> str:
    if not word.startswith("--") or len(word) == 2:
        return word
    name, equals, value = word.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value
