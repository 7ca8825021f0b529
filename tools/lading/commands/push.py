"""Sends an image to a registry, or to the embedded default.

Without a registry the image goes to an OCI image layout directory below the store. Prints the
image's digest and then one reference a line.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from absl import flags

from lading.commands import deploy, entry
from lading.errors import InputError, UsageError
from lading.oci.content import walk
from lading.oci.reference import check_repository, check_tag

__all__ = ["main"]


@dataclass(frozen=True, slots=True)
class _Result:
    """What was pushed where; becomes the lines on stdout or the object of --json."""

    digest: str
    references: list[str]
    destination: str
    tags: list[str]
    dry_run: bool = False
    details: dict[str, Any] = field(default_factory=dict)


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()  # type: ignore[no-untyped-call]
    flags.DEFINE_string("spec", "", "Deploy specification (JSON).", flag_values=values)
    flags.DEFINE_string("runfiles", "", "Directory of the runfiles.", flag_values=values)
    flags.DEFINE_string("registry", None, "Registry, host or host:port.", flag_values=values)
    flags.DEFINE_string("repository", None, "Repository: team/app.", flag_values=values)
    flags.DEFINE_multi_string("tag", None, "Tag to set; may be repeated.", flag_values=values)
    flags.DEFINE_string("store", "", "Root of the store.", flag_values=values)
    flags.DEFINE_bool("json", False, "Print one JSON object.", flag_values=values)
    flags.DEFINE_bool("dry_run", False, "Send nothing, say what would be.", flag_values=values)
    flags.DEFINE_bool("insecure", False, "Allow plain HTTP to any host.", flag_values=values)
    return values


def main(argv: Sequence[str]) -> int:
    """Runs the command; raises LadingError."""
    values = _flags()
    if rest := entry.parse(values, argv, usage=__doc__ or ""):
        raise UsageError(f"unexpected argument {rest[0]!r}", fix="tags are set with --tag=NAME")
    if not values.spec or not values.runfiles:
        raise UsageError("--spec and --runfiles are missing", fix="run it with bazel run //…:push")
    image = deploy.read(Path(values.spec), Path(values.runfiles))
    registry = image.registry if values.registry is None else values.registry
    repository = image.repository if values.repository is None else values.repository
    tags = list(dict.fromkeys(image.tags if values.tag is None else values.tag))
    for tag in tags:
        check_tag(tag)
    if not repository:
        raise UsageError("no repository is given", fix="set `repository`, or --repository=team/app")
    check_repository(repository)
    if registry:
        raise InputError("pushing to a registry is not there yet")
    result = _to_layout(image, repository, tags, values)
    if values.json:
        print(
            json.dumps(
                {
                    "label": image.label,
                    "digest": result.digest,
                    "mediaType": image.root.media_type,
                    "destination": result.destination,
                    "repository": repository,
                    "tags": result.tags,
                    "references": result.references,
                    "dryRun": result.dry_run,
                    **result.details,
                }
            )
        )
    else:
        print(result.digest)
        for reference in result.references:
            print(reference)
    return 0


def _to_layout(
    image: deploy.Deploy, repository: str, tags: list[str], values: flags.FlagValues
) -> _Result:
    from lading.store import layouts

    directory = layouts.directory_of(_store(values.store), repository)
    place = f"oci:{directory}"
    references = [f"{place}:{tag}" for tag in tags] or [place]
    details: dict[str, Any] = {}
    if values.dry_run:
        for descriptor, _ in walk(image.content, image.root):
            image.content.open(descriptor).close()
    else:
        written = layouts.write(directory, image.root, image.content, tags)
        print(
            f"lading: {image.label} is in {directory}"
            f" ({written.sent} new, {written.existing} there before)",
            file=sys.stderr,
        )
        details = {
            "sent": written.sent,
            "sentBytes": written.sent_bytes,
            "existing": written.existing,
            "changed": written.changed,
        }
    return _Result(str(image.root.digest), references, place, tags, values.dry_run, details)


def _store(flag: str) -> Path:
    """The store's root: --store, $LADING_STORE, or the user's data directory."""
    given = flag or os.environ.get("LADING_STORE", "")
    if given:
        return Path(given).expanduser().absolute()
    data = os.environ.get("XDG_DATA_HOME", "")
    base = Path(data) if data.startswith("/") else Path.home() / ".local" / "share"
    return base / "lading"


if __name__ == "__main__":
    entry.run(main)
