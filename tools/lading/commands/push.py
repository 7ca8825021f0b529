"""Sends an image to a registry, or to the embedded default.

Without a registry the image goes to an OCI image layout directory below the store. Prints the
image's digest and then one reference a line.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lading.commands import connection, context, deploy, entry, flags, remote, target
from lading.errors import UsageError
from lading.oci.reference import check_repository
from lading.record import field, record, replace
from lading.store import sizes
from lading.store.root import store_root

if TYPE_CHECKING:
    from lading.registry.push import Pushed

__all__ = ["main"]


@record
class _Result:
    """What was pushed where; becomes the lines on stdout or the object of --json."""

    references: list[str]
    destination: str
    details: dict[str, Any] = field(default_factory=dict)
    summary: str = ""


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    target.define(values)
    flags.define_string(
        "registry",
        None,
        "Registry, host or host:port; empty for the embedded default.",
        flag_values=values,
    )
    flags.define_string("repository", None, "Repository: team/app.", flag_values=values)
    flags.define_multi_string("tag", None, "Tag to set; may be repeated.", flag_values=values)
    flags.define_bool(
        "content_tag", False, "Also set the tag sha256-<hex of the digest>.", flag_values=values
    )
    flags.define_multi_string(
        "mount", [], "Repository of the same registry that may have layers.", flag_values=values
    )
    flags.define_string(
        "chunk", "0", "Send blobs in chunks of so many bytes (4M); 0: whole.", flag_values=values
    )
    flags.define_string("store", "", "Root of the store.", flag_values=values)
    flags.define_bool("json", False, "Print one JSON object.", flag_values=values)
    flags.define_string(
        "metadata_file", "", "Write the same JSON object to a file.", flag_values=values
    )
    flags.define_bool("dry_run", False, "Send nothing, say what would be.", flag_values=values)
    connection.define(values)
    context.define(values)
    remote.define(values)
    return values


def main(argv: Sequence[str]) -> int:
    """Runs the command; raises LadingError."""
    values = _flags()
    entry.parse_flags(values, argv, usage=__doc__ or "", fix="tags are set with --tag=NAME")
    spec, runfiles = target.files(values, "//…:push")
    if values.metadata_file:
        entry.check_file(Path(values.metadata_file))
    image = deploy.read(spec, runfiles)
    if values.repository is not None:
        image = replace(image, repository=values.repository)
    chosen = context.choose(values, image, runfiles)
    destination = context.place(image, values.registry, chosen)
    image = replace(image, mounts=destination.mounts)
    repository = destination.repository
    if not image.repository:
        raise UsageError("no repository is given", fix="set `repository`, or --repository=team/app")
    for name in (repository, *values.mount):
        check_repository(name)
    tags = list(image.tags_to_set(values.tag, content=values.content_tag))
    if destination.registry:
        result = _to_registry(image, destination, tags, values)
    else:
        result = _to_layout(image, repository, tags, values)
    report = {
        "label": image.label,
        "digest": str(image.root.digest),
        "mediaType": image.root.media_type,
        "destination": result.destination,
        "repository": repository,
        "tags": tags,
        "references": result.references,
        "dryRun": values.dry_run,
        **result.details,
    }
    if values.metadata_file:
        entry.write_file(Path(values.metadata_file), json.dumps(report, indent=2) + "\n")
    if values.json:
        print(json.dumps(report))
        return 0
    would = "would go to" if values.dry_run else "is in"
    print(f"lading: {image.label} {would} {result.summary}", file=sys.stderr)
    print(image.root.digest)
    for reference in result.references:
        print(reference)
    return 0


def _to_registry(
    image: deploy.Deploy,
    destination: context.Destination,
    tags: list[str],
    values: flags.FlagValues,
) -> _Result:
    from lading.commands.jobs import counts, jobs_of, references, total
    from lading.commands.meter import Meter
    from lading.commands.transfer import Transfer
    from lading.registry import memory
    from lading.registry.push import Pusher

    with (
        contextlib.closing(connection.connect(values)) as session,
        contextlib.closing(remote.Remote(values, image.remote)) as caches,
    ):
        repository = session.repository(destination.registry, destination.repository)
        jobs = jobs_of(
            image,
            caches.content(image, session),
            repository,
            tags=tags,
            mounts=values.mount,
            policy=destination.policy,
        )
        with Meter(f"{image.label}: sent") as meter:
            pusher = Pusher(
                progress=Transfer(meter),
                chunk=connection.byte_count(values.chunk, flag="chunk"),
                dry_run=values.dry_run,
                memory=memory.at_home(),
            )
            pushed = total(pusher.run(jobs))
    details = {
        **counts(pushed),
        "changed": pushed.changed,
        "requests": session.transport.requests,
    }
    new = f"{pushed.sent} new, {sizes.human(pushed.sent_bytes)}; {pushed.mounted} mounted"
    return _Result(
        references(jobs),
        str(repository),
        details,
        f"{repository} ({new if pushed.sent or pushed.mounted else _tagged(pushed)})",
    )


def _tagged(pushed: Pushed) -> str:
    """What became of an image that was there already."""
    return f"was there; tagged {', '.join(pushed.moved)}" if pushed.moved else "unchanged"


def _to_layout(
    image: deploy.Deploy, repository: str, tags: list[str], values: flags.FlagValues
) -> _Result:
    from lading.commands import layout
    from lading.store.layout_directory import directory_of

    directory = directory_of(store_root(values.store), repository)
    with remote.opened(values, image) as content:
        details = layout.write(directory, image, content, tags, dry_run=values.dry_run)
    summary = str(directory)
    if not values.dry_run:
        new = f"{details['sent']} new, {sizes.human(details['sentBytes'])}"
        summary += f" ({new if details['changed'] or details['sent'] else 'unchanged'})"
    named = layout.references(directory, image, tags)
    return _Result(named, f"oci:{directory}", details, summary)


if __name__ == "__main__":
    entry.run(main)
