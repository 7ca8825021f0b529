"""The DockerfileBuild action: a Dockerfile and its context in, an image out.

It needs a builder of this machine and is no pure function of its inputs unless the Dockerfile is;
`docs/dockerfile.md` says what follows from that. What the builder made is written again by
lading's layer tools.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from lading.actions import builders, flags, worker
from lading.builder import context, copies, normalise, scratch
from lading.builder.build import build
from lading.builder.progress import Event, Tail
from lading.builder.request import BuildRequest
from lading.errors import LadingError
from lading.oci import document
from lading.oci.platform import Platform
from lading.store.archive import Archive

__all__ = ["run"]

_OUTPUTS = ("config", "descriptor", "digest", "layout", "manifest")
_SINGLE = (*builders.SINGLE, "generated", "pull", "target")
_REPEATED = (
    *builders.REPEATED,
    "allow", "build_arg", "cache_from", "cache_to", "entitlement", "image_label",
)  # fmt: skip


def run(request: worker.Request) -> None:
    """Builds one image.

    Args:
        request: its arguments are those of `actions.builders`, `--dockerfile=FILE`,
            `--file=PATH<TAB>SOURCE` for each file of the context, `--base=NAME<TAB>LAYOUT`,
            `--build_arg=NAME=VALUE`, `--image_label=NAME=VALUE`, `--allow=NAME`, `--target=`,
            `--cache_from=`, `--cache_to=`, `--entitlement=`, `--pull=1`,
            `--generated=1` when no file of the context is a source file, and the outputs
            `--manifest=`, `--config=`, `--descriptor=`, `--digest=` and `--layout=DIR`.

    Raises:
        LadingError: see `builder.build.build`, `builder.normalise.image`.
    """
    one, many = flags.parse(
        request.arguments,
        required=(*_OUTPUTS, "dockerfile"),
        single=_SINGLE,
        repeated=_REPEATED,
    )
    what = one.get("label", "dockerfile_image")
    with scratch.scratch() as directory:
        root = directory / "context"
        root.mkdir()
        context.lay_out(root, builders.paths(many["file"], "--file"))
        asked = _request(one, many, root)
        if one.get("generated") == "1":
            copies.refuse_copies(asked, what)
        tail = Tail(40, asked.secret_values())

        def on_event(event: Event) -> None:
            tail(event)
            if event.status == "warning":
                sys.stderr.write(f"{what}: {event.person()}\n")

        archive = directory / "built.tar"
        try:
            build(builders.builder(one), asked, archive, on_event)
        except LadingError as error:
            raise builders.failed(error, tail, what) from None
        with Archive(archive) as opened:
            result = normalise.image(
                opened,
                opened.image(asked.platform),
                list(asked.bases.values()),
                Path(one["layout"]),
                what=what,
                compression=builders.compression(one),
            )
    flags.write(one["manifest"], result.manifest)
    flags.write(one["config"], result.config)
    flags.write(one["descriptor"], document.dumps(result.descriptor))
    flags.write(one["digest"], str(result.digest).encode())


def _request(one: Mapping[str, str], many: Mapping[str, list[str]], root: Path) -> BuildRequest:
    return BuildRequest(
        context=root,
        dockerfile=Path(one["dockerfile"]),
        target=one.get("target", ""),
        build_args=flags.pairs(many["build_arg"], "--build_arg"),
        labels=flags.pairs(many["image_label"], "--image_label"),
        secrets=builders.secrets(one, many),
        platform=Platform.parse(one["platform"]) if "platform" in one else None,
        network=one.get("network", "none"),
        bases=dict(builders.paths(many["base"], "--base")),
        allow=frozenset(many["allow"]),
        no_cache=one.get("no_cache") == "1",
        pull=one.get("pull") == "1",
        cache_from=tuple(many["cache_from"]),
        cache_to=tuple(many["cache_to"]),
        entitlements=frozenset(many["entitlement"]),
        timeout=builders.timeout(one),
        ulimits=flags.pairs(many["ulimit"], "--ulimit"),
        shm_size=builders.shm_size(one),
        extra_hosts=flags.pairs(many["add_host"], "--add_host"),
    )


if __name__ == "__main__":
    builders.main(run)
