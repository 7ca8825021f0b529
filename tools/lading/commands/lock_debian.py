"""`@lading//images:lock`: resolves the Debian packages of the images and writes their lock.

It prints what that changes: packages with old and new version and size, which of them have a
security fix, and which layers are pushed again.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lading.commands import entry, flags
from lading.commands.lock_report import report
from lading.debian.changes import Change, changed_layers, changes
from lading.debian.index import Index
from lading.debian.lock import Lock, dump, load
from lading.debian.locking import lock_packages, open_suites, read_index
from lading.debian.signature import find_keyring
from lading.debian.sources import find_mirrors
from lading.debian.spec import parse_spec
from lading.errors import (
    ConflictError,
    InputError,
    NotFoundError,
    StorageError,
)

__all__ = ["main"]

_RELOCK = "run: bazel run @lading//images:lock"


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    flags.define_string(
        "spec",
        "images/debian.yaml",
        "What to lock; below the workspace unless absolute.",
        flag_values=values,
    )
    flags.define_string(
        "lock",
        "images/debian.lock.json",
        "The lock to write; below the workspace unless absolute.",
        flag_values=values,
    )
    flags.define_bool(
        "check",
        False,
        "Write nothing; exit with 8 if the lock is not what the suite gives now.",
        flag_values=values,
    )
    flags.define_bool(
        "fresh", False, "Do not read the old lock, which may be damaged.", flag_values=values
    )
    flags.define_bool("json", False, "Print what changes as one JSON object.", flag_values=values)
    flags.define_bool(
        "allow_expired",
        False,
        "Accept an expired index, as snapshots of the archive have.",
        flag_values=values,
    )
    return values


def main(argv: Sequence[str]) -> int:
    """Runs the command; raises LadingError."""
    values = _flags()
    entry.parse_flags(values, argv, usage=__doc__ or "")
    workspace = Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY", "."))
    spec_path, lock_path = workspace / values.spec, workspace / values.lock
    spec_text = _read(spec_path)
    if spec_text is None:
        raise NotFoundError(f"{spec_path} is not there", fix="name the file with --spec=PATH")
    spec = parse_spec(spec_text, values.spec)
    old_text = None if values.fresh else _read(lock_path)
    old = load(old_text, values.lock) if old_text is not None else None
    suites = open_suites(
        spec,
        find_mirrors(),
        keyring=find_keyring(),
        now=datetime.now(UTC),
        allow_expired=values.allow_expired,
    )
    _say(f"resolving {spec.suite} with {', '.join(suite.name for suite in suites)}")
    if not any(suite.archive == "security" for suite in suites):
        _say(f"warning: no mirror of this machine has {spec.suite}-security")
    indexes = [read_index(spec, suites, each) for each in spec.architectures]
    codename = suites[0].release.codename
    new = lock_packages(spec, indexes, codename=codename, old=old)
    if old is not None and old.codename not in ("", codename):
        _say(
            f"note: {spec.suite} is {codename} now and was {old.codename}: every package may change"
        )
    held = _held_back(new, indexes)
    for version in dict.fromkeys(version for *_, version in held):
        names = sorted({name for _, name, other in held if other == version})
        _say(f"note: {version} of {', '.join(names)} is in the security suite and held back")
    found = changes(old, new, _advised(new, indexes))
    layers = changed_layers(old, new)
    if values.json:
        print(json.dumps(_object(new, found, layers, held)))
    else:
        print(report(found, layers))
    text = dump(new)
    if text == old_text:
        return 0
    if values.check:
        raise ConflictError(f"{values.lock} is not what {spec.suite} gives now", fix=_RELOCK)
    entry.write_file(lock_path, text)
    _say(f"wrote {values.lock}: {_summary(new)}")
    return 0


def _advised(lock: Lock, indexes: Sequence[Index]) -> dict[str, dict[str, str]]:
    return {
        index.architecture: {
            name: index.security_version(name) for name in lock.packages[index.architecture]
        }
        for index in indexes
    }


def _held_back(lock: Lock, indexes: Sequence[Index]) -> list[tuple[str, str, str]]:
    """Architecture, package and version of what `point_releases` keeps out of the lock."""
    return [
        (index.architecture, name, newer.version)
        for index in indexes
        for name in sorted(lock.packages[index.architecture])
        if (newer := index.held_back(name)) is not None
    ]


def _object(
    lock: Lock,
    found: Sequence[Change],
    layers: Mapping[str, int],
    held: Sequence[tuple[str, str, str]],
) -> dict[str, Any]:
    return {
        "suite": lock.suite,
        "codename": lock.codename,
        "changes": [
            {
                "package": change.name,
                "architecture": change.architecture,
                "old": change.old.version if change.old else None,
                "new": change.new.version if change.new else None,
                "old_size": change.old.size if change.old else None,
                "size": change.new.size if change.new else None,
                "security": change.security,
                "downgrade": change.downgrade,
            }
            for change in found
        ],
        "layers": layers,
        "held_back": [
            {"architecture": architecture, "package": name, "version": version}
            for architecture, name, version in held
        ],
    }


def _summary(lock: Lock) -> str:
    return ", ".join(
        f"{len(packages)} packages for {architecture}"
        f" ({sum(package.size for package in packages.values()) / 1e6:.1f} MB)"
        for architecture, packages in lock.packages.items()
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}") from None


if __name__ == "__main__":
    entry.run(main)
