"""Builds a Dockerfile into an OCI layout, with a builder of this machine or a remote one.

    build CONTEXT --output=DIRECTORY        the directory, whose Dockerfile is built

What is fetched, and what is refused: docs/dockerfile.md. With --json, progress is lines of JSON on
standard output, the first before anything runs; the last one has the digest. The layout has the old
image until the new one is complete. --push and --load take it from there; several --platform make
an index.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lading.actions.flags import pairs
from lading.builder import choose, normalise, scratch
from lading.builder.build import build
from lading.builder.failure import BuildError
from lading.builder.progress import Event
from lading.builder.request import NETWORKS, BuildRequest, Secret
from lading.commands import connection, delivery, entry, flags
from lading.errors import LadingError, UsageError
from lading.oci import index, layout, media_types
from lading.oci.content import FilesContent
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.oci.platform import Platform
from lading.oci.reference import check_tag
from lading.store import layouts
from lading.store.archive import Archive
from lading.store.layout_directory import Layout

__all__ = ["main"]


def main(argv: Sequence[str]) -> int:
    """Runs the command; raises LadingError."""
    values = _flags()
    words = entry.parse(values, argv, usage=__doc__ or "")
    if len(words) != 1 or not values.output:
        raise UsageError(
            "one context and --output are needed", fix="usage: build CONTEXT --output=DIRECTORY"
        )
    here = entry.here("").absolute()
    delivery.check(values)
    tags = [check_tag(tag) for tag in values.tag]
    request = _request(values, here, here / words[0])
    platforms = [Platform.parse(text) for text in dict.fromkeys(values.platform)]

    def on_event(event: Event) -> None:
        if values.json:
            print(event.to_json(), flush=True)
        elif line := event.person():
            print(line, file=sys.stderr)

    builder = choose.find(values.builder, address=values.address)
    output = here / values.output
    with scratch.scratch() as directory:
        made = []
        try:
            for number, platform in enumerate(platforms or [None]):
                one = replace(request, platform=platform)
                build(builder, one, directory / "image.tar", on_event)
                made.append(_normal(directory / "image.tar", one, directory / str(number)))
        except LadingError as error:
            if values.json:
                failed = Event(
                    "error",
                    text=error.what,
                    line=error.line if isinstance(error, BuildError) else 0,
                )
                print(failed.to_json(), flush=True)
            raise
        root = _keep(directory, made, output, tags)
    reference = f"oci:{output}:{tags[0]}" if tags else f"oci:{output}"
    references = [reference, *delivery.deliver(values, Layout(output), root)]
    if values.json:
        status = {"status": "built", "digest": str(root.digest), "reference": reference}
        print(json.dumps(status | {"references": references}))
    else:
        print("\n".join([str(root.digest), *references]))
    return 0


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    flags.define_string("output", "", "Directory of the OCI layout.", flag_values=values)
    flags.define_multi_string("tag", [], "Tag in the layout.", flag_values=values)
    flags.define_string("file", "", "The Dockerfile; CONTEXT/Dockerfile.", flag_values=values)
    flags.define_string("target", "", "Stage to build; the last one.", flag_values=values)
    flags.define_multi_string("base", [], "NAME=LAYOUT, what FROM NAME is.", flag_values=values)
    flags.define_multi_string("allow", [], "Image that may be pulled.", flag_values=values)
    flags.define_multi_string("build_arg", [], "NAME=VALUE of an ARG.", flag_values=values)
    flags.define_multi_string("label", [], "NAME=VALUE, of the image.", flag_values=values)
    flags.define_multi_string("secret", [], "ID=FILE or ID=$VARIABLE.", flag_values=values)
    flags.define_multi_string(
        "platform", [], "os/architecture; the builder's. Several make an index.", flag_values=values
    )
    flags.define_enum("network", "none", NETWORKS, "What RUN may reach.", flag_values=values)
    flags.define_multi_string("ulimit", [], "NAME=SOFT[:HARD], of RUN.", flag_values=values)
    flags.define_string("shm_size", "", "Size of /dev/shm of RUN: 64m.", flag_values=values)
    flags.define_multi_string("add_host", [], "NAME=ADDRESS, for RUN.", flag_values=values)
    flags.define_multi_string(
        "entitlement", [], "What RUN may ask for: security.insecure.", flag_values=values
    )
    flags.define_multi_string(
        "cache_from", [], "type=registry,ref=NAME or type=local,src=PATH.", flag_values=values
    )
    flags.define_multi_string(
        "cache_to", [], "type=registry,ref=NAME or type=local,dest=PATH.", flag_values=values
    )
    flags.define_bool("pull", False, "Ask for allowed images anew.", flag_values=values)
    flags.define_bool("no_cache", False, "Run every instruction.", flag_values=values)
    flags.define_float("timeout", 0, "Seconds; 0 for any time.", flag_values=values)
    flags.define_enum("builder", "auto", choose.BUILDERS, "What builds.", flag_values=values)
    flags.define_string("address", "", "Of the daemon or buildkitd.", flag_values=values)
    flags.define_bool("json", False, "Print progress as JSON lines.", flag_values=values)
    delivery.define(values)
    return values


def _request(values: flags.FlagValues, here: Path, context: Path) -> BuildRequest:
    return BuildRequest(
        context,
        dockerfile=here / values.file if values.file else None,
        target=values.target,
        build_args=pairs(values.build_arg, "--build_arg"),
        labels=pairs(values.label, "--label"),
        secrets=tuple(
            Secret(name, env=source[1:])
            if source.startswith("$")
            else Secret(name, (here / source).resolve())
            for name, source in pairs(values.secret, "--secret").items()
        ),
        network=values.network,
        bases={name: here / path for name, path in pairs(values.base, "--base").items()},
        allow=frozenset(values.allow),
        no_cache=values.no_cache,
        pull=values.pull,
        cache_from=tuple(values.cache_from),
        cache_to=tuple(values.cache_to),
        ulimits=pairs(values.ulimit, "--ulimit"),
        shm_size=connection.byte_count(values.shm_size or "0", flag="shm_size"),
        extra_hosts=pairs(values.add_host, "--add_host"),
        entitlements=frozenset(values.entitlement),
        timeout=values.timeout,
    )


def _normal(built: Path, request: BuildRequest, new: Path) -> normalise.Result:
    """Writes what the builder made again, as lading does, into the new layout `new`."""
    with Archive(built) as archive:
        found = archive.image(request.platform)
        bases = list(request.bases.values())
        result = normalise.image(archive, found, bases, new, what=request.file.name)
    for data in (result.manifest, result.config):
        (new / layout.blob_name(Digest.of(data))).write_bytes(data)
    return result


def _keep(
    directory: Path, made: Sequence[normalise.Result], output: Path, tags: Sequence[str]
) -> Descriptor:
    """Puts the image, or an index of several, into the layout `output`."""
    blobs: dict[Digest, Path] = {}
    for number in range(len(made)):
        blobs |= layout.blob_files(directory / str(number))
    root = Descriptor.of(media_types.MANIFEST, made[0].manifest)
    if len(made) > 1:
        listed = [result.descriptor for result in made]
        data = index.assemble(manifests=listed, annotations={}, subject=None, what="the index")
        root = Descriptor.of(media_types.INDEX, data)
        blobs[root.digest] = directory / "index"
        blobs[root.digest].write_bytes(data)
    layouts.write(output, root, FilesContent(blobs), tags)
    return root


if __name__ == "__main__":
    entry.run(main)
