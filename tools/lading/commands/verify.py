"""Verifies an image: every document, every byte of every layer, and the tar inside.

    verify DIRECTORY        an OCI image layout; also oci:DIRECTORY[:TAG]
    verify FILE.tar         an archive of docker save, skopeo, podman or lading
    verify REFERENCE        an image in a registry: localhost:5000/app:v1

Says what is wrong, where, and which rule says so. Nothing is extracted. The exit code is that of
the gravest class found: 12 unsafe, 5 corrupt, 4 missing, 3 invalid, 9 over a cap; 0 for none.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lading.commands import anywhere, connection, deploy, entry, flags, target
from lading.commands.meter import Meter
from lading.commands.usage import count
from lading.errors import NotFoundError, UsageError, visible
from lading.oci.platform import Platform
from lading.oci.verify_rules import Findings, Limits, exit_code
from lading.oci.verify_table import RULES, Severity
from lading.store import sizes
from lading.verify import place
from lading.verify.image import ImageVerifier
from lading.verify.place import Options, Report

__all__ = ["main"]

#: Stands for the image of a specification, where a name would be.
_SPEC = "//"


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    target.define(values)
    flags.define_bool("json", False, "Print one JSON object.", flag_values=values)
    flags.define_bool("strict", False, "Warnings fail as well.", flag_values=values)
    flags.define_bool("quiet", False, "Print findings only.", flag_values=values)
    flags.define_bool("rules", False, "List all rules.", flag_values=values)
    flags.define_bool("follow_links", False, "Accept links in a directory.", flag_values=values)
    flags.define_string("tag", "", "Of a layout, the image of this tag only.", flag_values=values)
    flags.define_string("platform", "", "What images have to be for.", flag_values=values)
    caps = Limits()
    flags.define_float("seconds", caps.seconds, "Longest time.", flag_values=values)
    flags.define_integer("entries", caps.entries, "Most entries of a layer.", flag_values=values)
    flags.define_string("size", "256G", "Most bytes, uncompressed.", flag_values=values)
    flags.define_integer("ratio", caps.ratio, "Most bytes from one byte.", flag_values=values)
    connection.define(values)
    return values


def main(argv: Sequence[str]) -> int:
    """Runs the command; raises LadingError."""
    values = _flags()
    words = entry.parse(values, argv, usage=__doc__ or "")
    if values.rules:
        _list_rules(as_json=values.json)
        return 0
    if values.spec:
        words = [_SPEC]
    if len(words) != 1:
        raise UsageError(f"{count(len(words), 'image')} named", fix="usage: verify PATH|REFERENCE")
    [name] = words
    size = connection.byte_count(values.size, flag="size")
    options = Options(
        Limits(
            seconds=values.seconds,
            entries=values.entries,
            layer_bytes=size,
            total_bytes=size,
            ratio=values.ratio,
        ),
        Platform.parse(values.platform) if values.platform else None,
        values.tag,
        values.follow_links,
    )
    strict = values.strict
    if name == _SPEC:
        image = deploy.read(Path(values.spec), Path(values.runfiles))
        name, strict = image.label, strict or bool(image.extra.get("strict"))
        report = _verify_build(image, options)
    else:
        with Meter(f"{name}: read") as meter:
            report = _verify(name, options, values, meter)
    code = exit_code(report.findings, strict=strict)
    _print(name, report, code, values)
    return code


def _verify(name: str, options: Options, values: flags.FlagValues, meter: Meter) -> Report:
    if words := anywhere.layout_words(name):
        directory, tag = words
        if tag and options.tag not in ("", tag):
            raise UsageError(f"{name} and --tag={options.tag} are two images", fix="name one")
        return place.verify_directory(
            entry.here(directory), replace(options, tag=tag or options.tag), meter
        )
    path = entry.here(name)
    if path.is_dir():
        return place.verify_directory(path, options, meter)
    if path.exists():
        return place.verify_archive(path, options, meter)
    if name.startswith(("/", ".")) or name.endswith(".tar") or "/" not in name:
        raise NotFoundError(f"there is no {name}", fix="name a directory, an archive or an image")
    reference = anywhere.in_registry(name)
    with contextlib.closing(connection.connect(values)) as session:
        repository = session.repository(reference.registry, reference.repository)
        named = reference.digest or reference.tag or "latest"
        return place.verify_reference(repository, named, options, meter)


def _verify_build(image: deploy.Deploy, options: Options) -> Report:
    """Verifies an image of the build; layers of a shallow base are not there to be read."""
    found = Findings(options.limits)
    verifier = ImageVerifier(image.built(), found, options.limits, platform=options.platform)
    verifier.verify(image.root)
    if image.sources:
        found.drop(frozenset({"blob-missing"}))
    return Report(tuple(found.items()), verifier.counts)


def _print(name: str, report: Report, code: int, values: flags.FlagValues) -> None:
    counts = report.counts
    if values.json:
        value = {
            "image": name,
            "ok": code == 0,
            "images": counts.images,
            "layers": counts.layers,
            "entries": counts.entries,
            "bytes": sum(counts.blobs.values()),
            "findings": [finding.to_json() for finding in report.findings],
        }
        print(json.dumps(value))
        return
    for finding in report.findings:
        if values.quiet and finding.severity is Severity.NOTE:
            continue
        where = f"{finding.subject} {finding.at}".strip()
        print(visible(f"{finding.severity.value}: {where}: {finding.what} [{finding.rule}]"))
        if finding.severity is not Severity.NOTE:
            print(f"  {finding.fix}")
    if not values.quiet:
        size = sizes.human(sum(counts.blobs.values()))
        print(
            f"lading: {name} {'is sound' if code == 0 else 'is not sound'}:"
            f" {count(counts.images, 'image')}, {count(counts.layers, 'layer')},"
            f" {counts.entries} entries, {size}",
            file=sys.stderr,
        )


def _list_rules(*, as_json: bool) -> None:
    for rule in RULES.values():
        if as_json:
            print(
                json.dumps(
                    {
                        "rule": rule.id,
                        "severity": rule.severity.value,
                        "class": rule.kind.value,
                        "summary": rule.summary,
                    }
                )
            )
        else:
            print(f"{rule.id:<26}{rule.severity.value:<9}{rule.kind.value:<9}{rule.summary}")


if __name__ == "__main__":
    entry.run(main)
