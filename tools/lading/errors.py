"""What can go wrong for a user, and the exit code that each kind ends a program with.

Every failure that a user can cause is a `LadingError`. Its text is one or two lines: what
failed, why, and what to do about it. Entry points print the text to stderr and exit with
`exit_code`; a traceback means a defect in lading itself. The codes are documented in
`docs/errors.md`.
"""

from __future__ import annotations

import errno

__all__ = [
    "ConflictError",
    "CorruptError",
    "DeniedError",
    "EngineError",
    "InputError",
    "LadingError",
    "LimitError",
    "NotFoundError",
    "StorageError",
    "UnreachableError",
    "UsageError",
    "cannot_write",
    "visible",
]


def visible(text: str) -> str:
    """`text` for a terminal: what moves the cursor, hides or cannot be encoded is escaped.

    Names of files, tags and servers are chosen by others. Newlines and tabs stay.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode()
        for char in text
    )


class LadingError(Exception):
    """A failure with a message for a person and an exit code for a machine.

    Args:
        what: the thing that failed and why, one line, no trailing full stop needed.
        fix: what the user can do, one line; printed on a line of its own.

    Both are made `visible`.
    """

    exit_code = 1

    def __init__(self, what: str, *, fix: str = "") -> None:
        what = visible(what)
        super().__init__(what)
        self.what = what
        self.fix = visible(fix)

    def about(self, name: str) -> LadingError:
        """This failure, with the name of what it is about put before it."""
        self.what = f"{visible(name)}: {self.what}"
        return self

    def __str__(self) -> str:
        return f"{self.what}\n  {self.fix}" if self.fix else self.what


class UsageError(LadingError):
    """The command line is wrong: an unknown flag, a missing or contradictory value."""

    exit_code = 2


class InputError(LadingError):
    """An input is not what it has to be: a bad name, a source that escapes, a malformed file."""

    exit_code = 3


class NotFoundError(LadingError):
    """Something that was named does not exist: an image, a tag, a file, a package."""

    exit_code = 4


class CorruptError(LadingError):
    """Content does not match its digest, size or format."""

    exit_code = 5


class UnreachableError(LadingError):
    """A registry, mirror or daemon did not answer, or gave up after retries."""

    exit_code = 6


class DeniedError(LadingError):
    """A registry or a file system refused access."""

    exit_code = 7


class ConflictError(LadingError):
    """The request contradicts what is there: an immutable tag, two sources for one path."""

    exit_code = 8


class LimitError(LadingError):
    """A limit cannot be met, or an input exceeds a cap."""

    exit_code = 9


class EngineError(LadingError):
    """No container engine or builder is there, or it failed."""

    exit_code = 10


class StorageError(LadingError):
    """The local disk failed: no space left, read-only, input/output error."""

    exit_code = 11


def cannot_write(what: object, error: OSError) -> StorageError:
    """What to raise where `what` cannot be written: only a full disk is met with more space."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return StorageError(
        f"{what} cannot be written: {error.strerror or error}",
        fix="free some space and run it again" if full else "",
    )
