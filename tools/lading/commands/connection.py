"""The flags that say how registries are spoken to, and the session they make."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from lading.commands import flags
from lading.errors import InputError, UsageError
from lading.store import sizes

if TYPE_CHECKING:
    from lading.registry.credentials import Credentials
    from lading.registry.session import Session

__all__ = ["byte_count", "connect", "define", "notice"]


def define(values: flags.FlagValues) -> None:
    """Adds the flags to a command's."""
    flags.define_bool("insecure", False, "Use plain HTTP for every host.", flag_values=values)
    flags.define_multi_string(
        "realm",
        [],
        "Token server, https://host[:port], that a registry other than itself may send us to;"
        " may be repeated. Also in LADING_REALMS, separated by spaces.",
        flag_values=values,
    )
    flags.define_string(
        "ca_file", "", "Certificates (PEM) to trust in addition.", flag_values=values
    )
    flags.define_bool("verbose", False, "Show every request on stderr.", flag_values=values)


def connect(values: flags.FlagValues, *, find: Credentials | None = None) -> Session:
    """The session that the flags describe, with the logins that `find` finds (the user's).

    Raises InputError for a realm that is no URL.
    """
    # Commands that may ask a registry, and do not, start sooner without this.
    from lading.registry.session import Session

    return Session(
        find=find,
        realms=[*values.realm, *os.environ.get("LADING_REALMS", "").split()],
        insecure=values.insecure,
        ca_file=values.ca_file,
        trace=_say if values.verbose else None,
        notice=notice(),
        warn=_say,
    )


def notice() -> Callable[[str], None] | None:
    """Says what a long wait is for, to whoever sits at the terminal; None where nobody does."""
    return _say if sys.stderr.isatty() else None


def byte_count(text: str, *, flag: str) -> int:
    """Reads `4M`, `512KiB`, `1000000`; units are powers of 1024. Raises UsageError."""
    try:
        return sizes.parse(text)
    except InputError:
        raise UsageError(
            f"--{flag}={text:.40} is not a size", fix="write 4M, 512K or bytes"
        ) from None


def _say(line: str) -> None:
    print(f"lading: {line}", file=sys.stderr)
