"""What to say when a builder fails, whichever it is."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lading.errors import EngineError, LadingError, StorageError

__all__ = ["BuildError", "failure"]

_NO_SPACE = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_GONE = re.compile(
    r"Unavailable|connection (?:refused|reset)|error reading from server|closing transport"
    r"|unexpected EOF|Cannot connect|no such host|broken pipe|listing workers|i/o timeout",
    re.IGNORECASE,
)


class BuildError(EngineError):
    """The Dockerfile failed. `line` is 0 and `status` None where the builder did not say."""

    def __init__(self, what: str, *, fix: str = "", line: int = 0, status: int | None = None):
        super().__init__(what, fix=fix)
        self.line, self.status = line, status


def failure(
    builder: str,
    message: str,
    *,
    line: int = 0,
    status: int | None = None,
    step: bool = False,
    output: Iterable[str] = (),
) -> LadingError:
    """The error for a build that ended with `message`, in the builder's own words.

    Args:
        builder: names it: `Docker at unix:///…`.
        message: one line.
        line: of the Dockerfile, 0 if it is not known.
        status: exit status of the program that failed.
        step: whether a step of the Dockerfile is known to have failed.
        output: the last lines that its program printed.
    """
    message = message[:600]
    where = f"Dockerfile, line {line}" if line else "the Dockerfile"
    full = [text for text in (message, *output) if _NO_SPACE.search(text)]
    if full:
        return StorageError(
            f"{where} failed: {builder} has no space left: {full[0][:600]}",
            fix="free some space where it keeps its data and build again; nothing was written",
        )
    if not step and status is None and not line and _GONE.search(message):
        return EngineError(
            f"{builder} does not answer, or went away in the middle of the build: {message}",
            fix="look at its log, then build again; nothing was written",
        )
    how = f" with exit status {status}" if status is not None else ""
    return BuildError(f"{where} failed{how}: {message}", line=line, status=status)
