"""Directories of their own for requests that one process serves side by side.

https://bazel.build/remote/multiplex: with multiplex sandboxing, every path of a WorkRequest, those
of outputs included, is relative to its `sandboxDir`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

__all__ = ["inside"]

#: linux/sched.h
_CLONE_FS = 0x200

_turn = threading.Lock()


@contextmanager
def inside(directory: str) -> Iterator[None]:
    """Makes `directory` the working directory of this thread, and of those that it starts.

    Where a thread cannot have one of its own (outside Linux, or where a container's seccomp
    profile forbids unshare(2)), it is that of the process, and others wait for their turn.

    Raises:
        OSError: the directory cannot be entered.
    """
    with nullcontext() if _unshare() else _turn:
        before = os.getcwd()
        os.chdir(directory)
        try:
            yield
        finally:
            os.chdir(before)


def _unshare() -> bool:
    """Parts this thread's working directory from the process's; whether that could be done."""
    import ctypes

    try:
        return bool(ctypes.CDLL(None).unshare(_CLONE_FS) == 0)
    except AttributeError:
        return False
