"""How the dashboard runs: flags first, then the environment, then what is safe on a laptop."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from lading.errors import UsageError
from lading.store.root import store_root

__all__ = ["ANY_HOST", "LOOPBACK_NAMES", "Settings"]

#: Names a browser on the same machine uses; always answered to.
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
#: The entry of the allow-list that turns the check off.
ANY_HOST = "*"

_NAME = re.compile(r"\*|\[[0-9a-f:.]+\]|[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
_EVERYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not bound
_DESCRIPTION = """\
Shows the images of a lading store, or of OCI image layouts, as web pages and as JSON. It reads
only. Without arguments it shows the store: $LADING_STORE, or lading below the user's data
directory."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What to show and where to listen.

    Attributes:
        places: stores and layout directories, absolute.
        host: address to listen on.
        port: port to listen on; 0 lets the kernel choose a free one.
        allowed_hosts: host names, without port and in lower case, that requests may be made to;
            `*` for any.
    """

    places: tuple[Path, ...]
    host: str = "127.0.0.1"
    port: int = 0
    allowed_hosts: frozenset[str] = LOOPBACK_NAMES

    @staticmethod
    def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
        """Reads a command line; `--help` prints and exits as argparse does.

        Raises UsageError, or InputError when nothing says where the store is.
        """
        parser = _Parser(prog="lading_dashboard", description=_DESCRIPTION, allow_abbrev=False)
        parser.add_argument(
            "places", nargs="*", metavar="DIR", help="a store, or an OCI image layout directory"
        )
        parser.add_argument(
            "--host",
            default=environment.get("LADING_DASHBOARD_HOST") or "127.0.0.1",
            help="address to listen on; default: $LADING_DASHBOARD_HOST, or 127.0.0.1",
        )
        parser.add_argument(
            "--port",
            default=environment.get("LADING_DASHBOARD_PORT") or "0",
            help="port to listen on; default: $LADING_DASHBOARD_PORT, or 0: any free one",
        )
        parser.add_argument(
            "--allowed_hosts",
            "--allowed-hosts",
            default=environment.get("LADING_DASHBOARD_ALLOWED_HOSTS") or "",
            metavar="NAME,…",
            help="host names to answer to, beside this machine's own; * for any; "
            "default: $LADING_DASHBOARD_ALLOWED_HOSTS",
        )
        found = parser.parse_args(arguments)
        places = tuple(store_root(place, environment) for place in found.places or [""])
        return Settings(
            places,
            found.host,
            _port(found.port),
            _hosts(found.allowed_hosts, found.host),
        )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, fix="--help lists the flags")


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise UsageError(f"{text!r:.60} is not a port", fix="give a number from 0 to 65535")
    return int(text)


def _hosts(text: str, bound: str) -> frozenset[str]:
    names = {item for item in (part.strip().lower() for part in text.split(",")) if item}
    for name in names:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r:.120} is not a host name to allow",
                fix="give names without port, separated by commas: images.example.com,10.0.0.7",
            )
    if bound not in _EVERYWHERE:
        names.add(f"[{bound}]" if ":" in bound else bound.lower())
    return LOOPBACK_NAMES | names
