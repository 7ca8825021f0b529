"""Pins base images: asks registries what tags name, and writes the digests to the lock file.

The images are those of `images.pull` without a digest; the lock file is that of `images.settings`
in the root module. Prints what changed, and nothing when nothing did.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from lading.commands import connection, entry, flags
from lading.errors import ConflictError, CorruptError, InputError, UsageError
from lading.oci import document
from lading.oci.reference import Reference
from lading.registry import manifests
from lading.registry.session import Session

__all__ = ["main"]

_FORMAT = 1


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    flags.define_string("requests", "", "What has to be pinned (JSON).", flag_values=values)
    values.hide("requests")
    flags.define_string(
        "lock", "", "The lock file; by default that of images.settings.", flag_values=values
    )
    flags.define_bool(
        "check",
        False,
        "Write nothing; exit with 8 if the lock is not what the tags name now.",
        flag_values=values,
    )
    connection.define(values)
    return values


def main(argv: Sequence[str]) -> int:
    """Runs the command; raises LadingError."""
    values = _flags()
    entry.parse_flags(values, argv, usage=__doc__ or "")
    if not values.requests:
        raise UsageError("--requests is missing", fix="run it with bazel run @lading//tools:lock")
    asked = document.loads_object(Path(values.requests).read_bytes(), what="the list of images")
    path = _path(values.lock, asked["lock"])
    before = _read(path)
    with contextlib.closing(connection.connect(values)) as session:
        after = {request: _resolve(session, request) for request in sorted(asked["requests"])}
    changes = _changes(before, after)
    for line in changes:
        print(line)
    if values.check:
        if changes:
            raise ConflictError(
                f"{path} is not what the tags name now", fix="run: bazel run @lading//tools:lock"
            )
        return 0
    if changes or not path.exists():
        text = json.dumps({"format": _FORMAT, "images": after}, indent=2, sort_keys=True)
        entry.write_file(path, text + "\n")
    return 0


def _path(given: str, label: str) -> Path:
    """Where the lock file is: a flag's path, or a label's in the workspace."""
    if given:
        return entry.here(given)
    if not label:
        raise InputError(
            "the module names no lock file for images",
            fix='add images.settings(lock = "//:images.lock.json") to MODULE.bazel',
        )
    workspace = os.environ.get("BUILD_WORKSPACE_DIRECTORY")
    if not workspace:
        raise UsageError("the workspace is unknown", fix="run it with bazel run, or give --lock")
    return Path(workspace, *label.removeprefix("//").split(":"))


def _read(path: Path) -> Mapping[str, str]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    if not data.strip():
        return {}
    try:
        images = document.loads_object(data, what=str(path)).get("images", {})
    except CorruptError as error:
        raise InputError(error.what, fix=f"empty {path} and run this again") from None
    if not isinstance(images, dict):
        raise InputError(f"{path} has no map of images", fix="empty it and run this again")
    return images


def _resolve(session: Session, request: str) -> str:
    reference = Reference.parse(request)
    repository = session.repository(reference.registry, reference.repository)
    descriptor, _ = manifests.get(repository, reference.tag or "latest")
    return str(descriptor.digest)


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    lines = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old is None:
            lines.append(f"+ {name} {new}")
        elif new is None:
            lines.append(f"- {name}")
        elif old != new:
            lines.append(f"~ {name} {old} -> {new}")
    return lines


if __name__ == "__main__":
    entry.run(main)
