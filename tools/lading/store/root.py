"""Where the image store is: `--store`, else `$LADING_STORE`, else the user's data directory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from lading.errors import InputError

__all__ = ["store_root"]


def store_root(flag: str = "", environ: Mapping[str, str] | None = None) -> Path:
    """The directory of the store, absolute; it need not exist.

    Args:
        flag: what the user gave with `--store`, empty for nothing. Under `bazel run`, a relative
            path is relative to the directory the user was in.
        environ: the environment, `os.environ` when left out. An empty variable is an unset one
            (XDG base directory specification); a relative `XDG_DATA_HOME` is ignored, as it says.

    Raises:
        InputError: nothing says where the store is, because there is no home directory either.
    """
    env = os.environ if environ is None else environ
    chosen = flag or env.get("LADING_STORE", "")
    if chosen:
        if chosen == "~" or chosen.startswith("~/"):
            return _home(env) / chosen[2:]
        return Path(
            os.path.normpath(Path(env.get("BUILD_WORKING_DIRECTORY", "") or ".", chosen).absolute())
        )
    data = env.get("XDG_DATA_HOME", "")
    if not os.path.isabs(data):
        data = str(_home(env) / ".local" / "share")
    return Path(data) / "lading"


def _home(env: Mapping[str, str]) -> Path:
    home = env.get("HOME", "")
    if not os.path.isabs(home):
        raise InputError(
            "nothing says where the image store is: there is no home directory",
            fix="give --store=DIR, or set LADING_STORE",
        )
    return Path(home)
