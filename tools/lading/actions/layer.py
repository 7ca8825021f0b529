"""The LayerTar action: sources in, one compressed layer and its metadata out.

The command line is `--name=value` flags and the lines that `lading.layer.sources` reads.
`--output=.tar.gz` is the file beside `--metadata=` that ends so.
"""

from __future__ import annotations

from lading.actions import worker
from lading.errors import UsageError
from lading.layer.build import LayerRequest, build_layer
from lading.layer.compress import SOCI_SPAN, Compression

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from lading.layer.kept import FrameCache

__all__ = ["run"]

_SINGLE = frozenset({
    "annotations", "annotations_file", "cache_mib", "compression", "create_parent_directories",
    "deduplicate_trees", "default_metadata", "estargz", "layer_metadata", "level", "media_type",
    "metadata", "mtree_of", "output", "profile", "recipe", "soci", "threads", "ztoc_of",
})  # fmt: skip


def run(request: worker.Request) -> None:
    """Builds one layer; describes one with `--mtree_of`, makes its zTOC with `--ztoc_of`.

    Raises:
        LadingError: the command line is malformed, or the layer cannot be built.
    """
    sources = [argument for argument in request.arguments if not argument.startswith("--")]
    flags = _flags([argument for argument in request.arguments if argument.startswith("--")])
    output = flags.get("output", "")
    if output[:1] == "." and "/" not in output:
        output = flags.get("metadata", "").removesuffix(".metadata.json") + output
    if not output and "recipe" not in flags:
        raise UsageError("--output is missing")
    if "mtree_of" in flags:
        _describe(flags["mtree_of"], output)
        return
    if "ztoc_of" in flags:
        from lading.layer.soci import write_ztoc

        for name in ("layer_metadata", "metadata"):
            if name not in flags:
                raise UsageError(f"--{name} is missing")
        write_ztoc(flags["ztoc_of"], flags["layer_metadata"], output, flags["metadata"])
        return
    build_layer(
        LayerRequest(
            output,
            sources,
            metadata=flags.get("metadata", ""),
            recipe=flags.get("recipe", ""),
            compression=Compression(
                flags.get("compression", "gzip"),
                flags.get("profile", "fast"),
                _number(flags, "level", -1),
                target=SOCI_SPAN if flags.get("soci", "0") != "0" else 0,
            ),
            annotations=_annotations(flags),
            media_type=flags.get("media_type", ""),
            default_metadata=flags.get("default_metadata", ""),
            create_parent_directories=flags.get("create_parent_directories", "1") != "0",
            deduplicate_trees=flags.get("deduplicate_trees", "0") != "0",
            estargz=flags.get("estargz", "0") != "0",
            inputs=request.inputs,
            cache=None if request.inputs is None else _cache(_number(flags, "cache_mib", -1)),
            threads=_number(flags, "threads", 0),
            checkpoint=request.checkpoint,
        )
    )


def _cache(mebibytes: int) -> FrameCache:
    """The worker's cache, with the limit that was asked for last."""
    from lading.layer.kept import worker_cache

    cache = worker_cache()
    if mebibytes >= 0:
        cache.limit = mebibytes << 20
    return cache


def _describe(blob: str, output: str) -> None:
    from lading.layer.mtree import describe
    from lading.layer.outputs import write_output

    write_output(output, describe(blob))


def _flags(arguments: Sequence[str]) -> dict[str, str]:
    flags: dict[str, str] = {}
    for argument in arguments:
        name, equals, value = argument[2:].partition("=")
        if name not in _SINGLE or not equals or name in flags:
            problem = "given twice" if name in flags else "unknown or has no value"
            raise UsageError(f"--{name:.80} is {problem}")
        flags[name] = value
    return flags


def _number(flags: dict[str, str], name: str, default: int) -> int:
    text = flags.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or len(text) > 4:
        raise UsageError(f"--{name}={text:.40} is not a number")
    return int(text)


def _annotations(given: dict[str, str]) -> dict[str, str]:
    """Those of `--annotations`, a JSON object, and those of a file that it says nothing about."""
    if not given.keys() & {"annotations", "annotations_file"}:
        return {}
    from lading.actions import flags

    return flags.layer_annotations(given)


if __name__ == "__main__":
    worker.main(run)
