"""Sends many images to registries and loads them into engines, as one command.

A blob is uploaded to a registry once and mounted in every other repository that needs it. All
pushes come first, several at a time; the first that fails ends the run, and nothing is loaded.
Prints one reference a line, in the order of the operations.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lading.commands import connection, context, deploy, entry, flags, remote, target
from lading.commands.deploy import Deploy
from lading.commands.jobs import counts, jobs_of, references, total
from lading.commands.meter import Meter
from lading.commands.transfer import Transfer
from lading.commands.usage import count
from lading.engine import ENGINES
from lading.errors import LadingError
from lading.oci.content import Content
from lading.oci.reference import check_repository
from lading.record import replace
from lading.registry import memory
from lading.registry.policy import ANY_TAG
from lading.registry.push import Job, Pusher
from lading.registry.session import Session
from lading.store import sizes
from lading.store.root import store_root

__all__ = ["main"]


class _Operation:
    """One push or load: what to do, and then what became of it, in the words of --json."""

    __slots__ = ("content", "image", "kind", "policy", "report")

    def __init__(self, kind: str, image: Deploy, content: Content) -> None:
        self.kind = kind
        self.image = image
        self.content = content
        self.policy = ANY_TAG
        self.report: dict[str, Any] = {}


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    target.define(values)
    flags.define_enum(
        "only", None, ["push", "load"], "Do operations of this kind only.", flag_values=values
    )
    flags.define_string(
        "registry",
        None,
        "Registry of every push; empty for the embedded default.",
        flag_values=values,
    )
    flags.define_string(
        "chunk", "0", "Send blobs in chunks of so many bytes (4M); 0: whole.", flag_values=values
    )
    flags.define_enum(
        "daemon", None, ENGINES, "Engine, in place of each target's.", flag_values=values
    )
    flags.define_string(
        "host", "", "Address of the engine: unix:///path or tcp://host:port.", flag_values=values
    )
    flags.define_string("store", "", "Root of the store.", flag_values=values)
    flags.define_bool("json", False, "Print one JSON object.", flag_values=values)
    flags.define_string(
        "metadata_file", "", "Write the same JSON object to a file.", flag_values=values
    )
    flags.define_bool(
        "dry_run", False, "Send and load nothing, say what would be sent.", flag_values=values
    )
    connection.define(values)
    context.define(values)
    remote.define(values)
    return values


def main(argv: Sequence[str]) -> int:
    """Runs the command; raises LadingError."""
    values = _flags()
    entry.parse_flags(values, argv, usage=__doc__ or "")
    spec, runfiles = target.files(values, "//…")
    if values.metadata_file:
        entry.check_file(Path(values.metadata_file))
    images = [
        (kind, image)
        for kind, image in deploy.read_all(spec, runfiles)
        if values.only in (None, kind)
    ]
    # All operations of a target are built with the same settings, hence have the same caches.
    settings = images[0][1].remote if images else {}
    with (
        contextlib.closing(connection.connect(values)) as session,
        contextlib.closing(remote.Remote(values, settings)) as caches,
    ):
        operations = [
            _Operation(kind, image, caches.content(image, session)) for kind, image in images
        ]
        pushes = [operation for operation in operations if operation.kind == "push"]
        for operation in pushes:
            _place(operation, values, runfiles)
        _push(session, [item for item in pushes if item.image.registry], values)
        for operation in pushes:
            if not operation.image.registry:
                _write(operation, values)
        if not values.dry_run:
            try:
                _load([item for item in operations if item.kind == "load"], values)
            except LadingError:
                # What was done stays done, and nobody would see it.
                if done := [item for item in operations if item.report]:
                    print(f"lading: {_summary(done, dry_run=False)}", file=sys.stderr)
                raise
        _report(operations, session, values)
    return 0


def _place(operation: _Operation, values: flags.FlagValues, runfiles: Path) -> None:
    """Says where a push goes, and under which tags."""
    image = operation.image
    place = context.place(image, values.registry, context.choose(values, image, runfiles))
    operation.image = replace(
        image,
        tags=image.tags_to_set(),
        registry=place.registry,
        repository=place.repository,
        mounts=place.mounts,
    )
    operation.policy = place.policy
    check_repository(operation.image.repository)


def _push(session: Session, operations: list[_Operation], values: flags.FlagValues) -> None:
    groups = [_jobs(session, operation) for operation in operations]
    with Meter("sent") as meter:
        pusher = Pusher(
            progress=Transfer(meter),
            chunk=connection.byte_count(values.chunk, flag="chunk"),
            dry_run=values.dry_run,
            memory=memory.at_home(),
        )
        try:
            results = iter(pusher.run([job for jobs in groups for job in jobs]))
        except LadingError:
            if len(groups) > 1 and not values.dry_run:
                meter.close()
                _tell(pusher.finished)
            raise
    for operation, jobs in zip(operations, groups, strict=True):
        pushed = total([next(results) for _ in jobs])
        operation.report = {
            "destination": str(jobs[0].repository),
            "references": references(jobs),
            "changed": pushed.changed,
            **counts(pushed),
        }


def _tell(finished: list[Job]) -> None:
    """Says what was pushed before a failure: tags that moved stay moved."""
    if not finished:
        print("lading: no image was pushed", file=sys.stderr)
    for job in finished:
        for reference in references([job]):
            print(f"lading: pushed before that: {reference}", file=sys.stderr)


def _jobs(session: Session, operation: _Operation) -> list[Job]:
    repository = session.repository(operation.image.registry, operation.image.repository)
    return jobs_of(operation.image, operation.content, repository, policy=operation.policy)


def _write(operation: _Operation, values: flags.FlagValues) -> None:
    """Puts an image without a registry where the embedded default is."""
    from lading.commands import layout
    from lading.store.layout_directory import directory_of

    image = operation.image
    directory = directory_of(store_root(values.store), image.repository)
    details = layout.write(directory, image, operation.content, image.tags, dry_run=values.dry_run)
    operation.report = {
        "destination": f"oci:{directory}",
        "references": layout.references(directory, image, image.tags),
        **details,
    }


def _load(operations: list[_Operation], values: flags.FlagValues) -> None:
    if not operations:
        return
    from lading.commands.load import load

    for operation in operations:
        loaded = load(operation.image, operation.content, daemon=values.daemon, host=values.host)
        operation.report = {
            "destination": loaded.engine,
            **{key: item for key, item in loaded.to_json().items() if key != "engine"},
        }


def _report(operations: list[_Operation], session: Session, values: flags.FlagValues) -> None:
    report = {
        "dryRun": values.dry_run,
        "operations": [
            {
                "kind": operation.kind,
                "label": operation.image.label,
                "digest": str(operation.image.root.digest),
                **operation.report,
            }
            for operation in operations
        ],
        "requests": session.transport.requests,
    }
    if values.metadata_file:
        entry.write_file(Path(values.metadata_file), json.dumps(report, indent=2) + "\n")
    if values.json:
        print(json.dumps(report))
        return
    print(f"lading: {_summary(operations, dry_run=values.dry_run)}", file=sys.stderr)
    for operation in operations:
        for reference in operation.report.get("references", []):
            print(reference)


def _summary(operations: list[_Operation], *, dry_run: bool) -> str:
    """What became of the operations of each kind that there are, in a line."""
    pushes = [operation for operation in operations if operation.kind == "push"]
    loads = len(operations) - len(pushes)
    changed = sum(operation.report.get("changed", False) for operation in pushes)
    sent = sum(operation.report.get("sentBytes", 0) for operation in pushes)
    mounted = sum(operation.report.get("mounted", 0) for operation in pushes)
    would = "would be " if dry_run else ""
    parts = []
    if pushes:
        parts.append(
            f"{count(len(pushes), 'image')} {would}pushed, {changed} of them new or changed"
            f" ({sizes.human(sent)} sent, {count(mounted, 'blob')} mounted)"
        )
    if loads:
        parts.append(f"{count(loads, 'image')} {would}loaded")
    return "; ".join(parts) or "nothing to do"


if __name__ == "__main__":
    entry.run(main)
