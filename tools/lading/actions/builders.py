"""What the actions share that need a builder: their flags, and how a failure is told."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from lading.actions import flags, worker
from lading.builder import choose
from lading.builder.failure import BuildError
from lading.builder.progress import Tail
from lading.builder.request import Builder, Secret
from lading.errors import InputError, LadingError, UsageError
from lading.layer.compress import Compression
from lading.store import sizes

__all__ = [
    "REPEATED",
    "SINGLE",
    "Ones",
    "builder",
    "compression",
    "failed",
    "main",
    "paths",
    "secrets",
    "shm_size",
    "timeout",
]

#: Flags of each: the builder, what it is allowed, how its result is compressed.
SINGLE = (
    "address", "builder", "certificates", "compression", "label", "level", "network", "no_cache",
    "platform", "profile", "secrets", "shm_size", "timeout",
)  # fmt: skip
REPEATED = ("add_host", "base", "file", "secret", "ulimit")

#: Values of `SINGLE`, by flag.
Ones = Mapping[str, str]


def builder(one: Ones) -> Builder:
    """The builder that `--builder`, `--address` and `--certificates` name."""
    certificates = one.get("certificates")
    return choose.find(
        one.get("builder", "auto"),
        address=one.get("address", ""),
        certificates=Path(certificates) if certificates else None,
    )


def compression(one: Ones) -> Compression:
    """What `--compression`, `--profile` and `--level` say."""
    level = one.get("level", "-1")
    if not level.removeprefix("-").isdecimal():
        raise UsageError(f"--level={level:.40} is no number")
    return Compression(one.get("compression", "gzip"), one.get("profile", "fast"), int(level))


def timeout(one: Ones) -> float:
    """Seconds of `--timeout`."""
    text = one.get("timeout", "0")
    if not text.isdecimal():
        raise UsageError(f"--timeout={text:.40} is no number of seconds")
    return float(text)


def shm_size(one: Ones) -> int:
    """Bytes of `--shm_size`, 0 without it."""
    return sizes.parse(one["shm_size"]) if "shm_size" in one else 0


def secrets(one: Ones, many: Mapping[str, list[str]]) -> tuple[Secret, ...]:
    """The secrets that `--secret` names, in the directory `--secrets`."""
    directory = one.get("secrets", "")
    if many["secret"] and not directory:
        raise InputError(
            f"the secret {many['secret'][0]:.80} is needed, and no directory with secrets is set",
            fix="put a file of that name into a directory outside of the workspace, and set"
            " --@lading//rules/settings:builder_secrets=/that/directory",
        )
    return tuple(Secret(name, Path(directory, name)) for name in many["secret"])


def failed(error: LadingError, tail: Tail, what: str) -> LadingError:
    """The same failure, with the target's name; prints the last lines of a build that ran."""
    if isinstance(error, BuildError) and str(tail):
        sys.stderr.write(f"{what}: the last lines of the build:\n{tail}\n")
    error.what = tail.hide(error.what)
    return error if error.what.startswith(what) else error.about(what)


def paths(items: Iterable[str], flag: str) -> Iterator[tuple[str, Path]]:
    """The values of a flag that are `NAME<TAB>PATH` each."""
    for item in items:
        name, path = flags.tabbed(item, flag)
        yield name, Path(path)


def main(run: Callable[[worker.Request], None]) -> None:
    """As `worker.main`; when Bazel ends the action by a signal, the builder's processes end too."""

    def stop(number: int, _: object) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, stop)
    worker.main(run)
