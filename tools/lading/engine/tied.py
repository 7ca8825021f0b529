"""Processes that end with the one that started them."""

from __future__ import annotations

import shutil

__all__ = ["tied"]


def tied(signal: str) -> list[str]:
    """What to put before a command that must not outlive this thread, killed or not.

    Nothing where util-linux is not there.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, f"--pdeathsig={signal}", "--"] if setpriv else []
