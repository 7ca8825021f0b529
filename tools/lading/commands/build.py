"""Builds a Dockerfile into an OCI layout, with a builder of this machine or a remote one.

build CONTEXT --output=DIRECTORY        the directory, whose Dockerfile is built

What is fetched, and what is refused: docs/dockerfile.md. With --json, progress is lines of JSON on
standard output, the first before anything runs; the last one has the digest. The layout has the old
image until the new one is complete. Push it with `registry copy oci:DIRECTORY:TAG REFERENCE`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from lading.actions.flags import pairs
from lading.builder import choose, normalise, scratch
from lading.builder.build import build
from lading.builder.failure import BuildError
from lading.builder.progress import Event, Tail
from lading.builder.request import NETWORKS, BuildRequest, Secret
from lading.commands import entry, flags
from lading.errors import LadingError, UsageError
from lading.oci import layout, media_types
from lading.oci.content import FilesContent
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.oci.platform import Platform
from lading.store import layouts
from lading.store.archive import Archive

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
    request = _request(values, here, here / words[0])
    tail = Tail(40, [secret.value(os.environ) for secret in request.secrets])

    def on_event(event: Event) -> None:
        tail(event)
        if values.json:
            print(event.to_json(), flush=True)
        elif line := event.person():
            print(line, file=sys.stderr)

    builder = choose.find(values.builder, address=values.address)
    output = here / values.output
    with scratch.scratch() as directory:
        try:
            build(builder, request, directory / "image.tar", on_event)
        except LadingError as error:
            if values.json:
                failed = Event(
                    "error",
                    text=error.what,
                    line=error.line if isinstance(error, BuildError) else 0,
                )
                print(failed.to_json(), flush=True)
            raise
        root = _keep(directory, request, output, values.tag)
    reference = f"oci:{output}:{values.tag[0]}" if values.tag else f"oci:{output}@{root.digest}"
    if values.json:
        print(json.dumps({"status": "built", "digest": str(root.digest), "reference": reference}))
    else:
        print(f"{root.digest}\n{reference}")
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
    flags.define_string("platform", "", "os/architecture; the builder's.", flag_values=values)
    flags.define_enum("network", "none", NETWORKS, "What RUN may reach.", flag_values=values)
    flags.define_bool("no_cache", False, "Run every instruction.", flag_values=values)
    flags.define_float("timeout", 0, "Seconds; 0 for any time.", flag_values=values)
    flags.define_enum("builder", "auto", choose.BUILDERS, "What builds.", flag_values=values)
    flags.define_string("address", "", "Of the daemon or buildkitd.", flag_values=values)
    flags.define_bool("json", False, "Print progress as JSON lines.", flag_values=values)
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
        platform=Platform.parse(values.platform) if values.platform else None,
        network=values.network,
        bases={name: here / path for name, path in pairs(values.base, "--base").items()},
        allow=frozenset(values.allow),
        no_cache=values.no_cache,
        timeout=values.timeout,
    )


def _keep(directory: Path, request: BuildRequest, output: Path, tags: Sequence[str]) -> Descriptor:
    """Writes the image again, as lading does, into the layout `output`."""
    new = directory / "new"
    with Archive(directory / "image.tar") as archive:
        found = archive.image(request.platform)
        what = request.file.name
        result = normalise.image(archive, found, list(request.bases.values()), new, what=what)
    for data in (result.manifest, result.config):
        (new / layout.blob_name(Digest.of(data))).write_bytes(data)
    root = Descriptor.of(media_types.MANIFEST, result.manifest)
    layouts.write(output, root, FilesContent(dict(layout.blob_files(new))), tags)
    return root


if __name__ == "__main__":
    entry.run(main)
