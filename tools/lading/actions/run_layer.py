"""The ImageRunLayer action: what a command changes in an image, as a layer. Not hermetic."""

from __future__ import annotations

from pathlib import Path

from lading.actions import builders, flags, worker
from lading.builder import context, scratch, step
from lading.builder.progress import Tail
from lading.builder.request import BuildRequest
from lading.errors import LadingError
from lading.layer.metadata import layer_metadata
from lading.oci.platform import Platform

__all__ = ["run"]

_SINGLE = (*builders.SINGLE, "user", "working_dir")
#: What the image's history says: this layer is not made from its inputs alone.
_CREATED_BY = "lading image_run_layer (not hermetic)"
_REPEATED = (*builders.REPEATED, "env", "word")


def run(request: worker.Request) -> None:
    """Runs one command.

    Args:
        request: its arguments are those of `actions.builders`, `--base=base<TAB>LAYOUT`,
            `--word=` for the program and each of its arguments, `--env=NAME=VALUE`, `--user=`,
            `--working_dir=`, `--file=PATH<TAB>SOURCE` for each input, and the outputs
            `--output=` and `--metadata=`.

    Raises:
        LadingError: see `builder.step.run`.
    """
    one, many = flags.parse(
        request.arguments,
        required=("output", "metadata"),
        single=_SINGLE,
        repeated=_REPEATED,
    )
    what = one.get("label", "image_run_layer")
    wanted = step.Step(
        many["word"],
        flags.pairs(many["env"], "--env"),
        one.get("user", "0:0"),
        one.get("working_dir", "/"),
    )
    with scratch.scratch() as directory:
        root = directory / "context"
        (root / "inputs").mkdir(parents=True)
        files = builders.paths(many["file"], "--file")
        context.lay_out(root / "inputs", files)
        asked = BuildRequest(
            context=root,
            secrets=builders.secrets(one, many),
            platform=Platform.parse(one["platform"]) if "platform" in one else None,
            network=one.get("network", "none"),
            bases=dict(builders.paths(many["base"], "--base")),
            no_cache=one.get("no_cache") == "1",
            timeout=builders.timeout(one),
            ulimits=flags.pairs(many["ulimit"], "--ulimit"),
            shm_size=builders.shm_size(one),
            extra_hosts=flags.pairs(many["add_host"], "--add_host"),
        )
        tail = Tail(40, asked.secret_values())
        compression = builders.compression(one)
        try:
            blob = step.run(
                builders.builder(one), wanted, asked, directory / "out",
                what=what, compression=compression, on_event=tail,
            )  # fmt: skip
        except LadingError as error:
            raise builders.failed(error, tail, what) from None
        made = directory / "out" / "blobs" / "sha256" / blob.digest.partition(":")[2]
        scratch.move(made, Path(one["output"]))
    flags.write(one["metadata"], layer_metadata(blob, compression.media_type, {}, _CREATED_BY))


if __name__ == "__main__":
    builders.main(run)
