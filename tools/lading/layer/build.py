"""Builds one layer: the blob and the document that describes it."""

from __future__ import annotations

from lading.errors import StorageError
from lading.layer.collect import collect
from lading.layer.compress import Compression
from lading.layer.frames import Cutter
from lading.layer.lay import lay
from lading.layer.metadata import layer_metadata
from lading.layer.outputs import Nowhere, Output, remove, write_output
from lading.layer.reading import DirectoryError
from lading.layer.spool import Spool
from lading.layer.writer import Blob, write_blob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lading.layer.keeper import Keeper
    from lading.layer.kept import FrameCache

__all__ = ["LayerRequest", "build_layer", "write_layer"]


class LayerRequest:
    """What to build; see `collect` for `sources` and the options that it takes.

    A single source of kind R is an archive whose tar, as it is, becomes the layer.
    `output`, `metadata` and `recipe` are paths of outputs, empty for none. `estargz` takes gzip.
    `threads` 0 means one for each processor. With `inputs`, Bazel's digest of every input, and a
    `cache`, frames of an earlier build are used again.
    """

    __slots__ = (
        "annotations", "cache", "checkpoint", "compression", "create_parent_directories",
        "deduplicate_trees", "default_metadata", "estargz", "inputs", "media_type", "metadata",
        "output", "recipe", "sources", "threads",
    )  # fmt: skip

    def __init__(
        self,
        output: str,
        sources: Sequence[str],
        *,
        metadata: str = "",
        recipe: str = "",
        compression: Compression | None = None,
        annotations: Mapping[str, str] | None = None,
        media_type: str = "",
        default_metadata: str = "",
        create_parent_directories: bool = True,
        deduplicate_trees: bool = False,
        estargz: bool = False,
        inputs: Mapping[str, str] | None = None,
        cache: FrameCache | None = None,
        threads: int = 0,
        checkpoint: Callable[[], None] = lambda: None,
    ) -> None:
        self.output = output
        self.sources = sources
        self.metadata = metadata
        self.recipe = recipe
        self.compression = compression or Compression("gzip")
        self.annotations = annotations or {}
        self.media_type = media_type or self.compression.media_type
        self.default_metadata = default_metadata
        self.create_parent_directories = create_parent_directories
        self.deduplicate_trees = deduplicate_trees
        self.estargz = estargz
        self.inputs = inputs
        self.cache = cache
        self.threads = threads
        self.checkpoint = checkpoint


def build_layer(request: LayerRequest) -> Blob:
    """Writes the outputs of `request`; they appear together or, on an error, not at all.

    Raises:
        LadingError: see `collect`, `lay` and `write_blob`.
    """
    if request.cache is None or request.inputs is None:
        return _build(request, None)
    from lading.layer.keeper import Keeper
    from lading.layer.kept import StaleError

    name = request.output or request.metadata
    keeper = Keeper(request.cache, name, request.inputs, request.compression)
    try:
        blob = _build(request, keeper)
    except StaleError:
        keeper.forget()
        blob = _build(request, keeper)
    except StorageError:
        # If the disk is full, the next attempt has all of it.
        request.cache.free_disk()
        raise
    keeper.commit()
    return blob


def _build(request: LayerRequest, keeper: Keeper | None) -> Blob:
    expect_directories = keeper is not None and keeper.expect_directories
    try:
        return _build_once(request, keeper, expect_directories=expect_directories)
    except DirectoryError:
        if keeper is not None:
            keeper.expect_directories = True
        return _build_once(request, keeper, expect_directories=True)


def write_layer(
    request: LayerRequest,
    fd: int,
    *,
    scratch: str,
    expect_directories: bool = True,
    keeper: Keeper | None = None,
) -> Blob:
    """Writes the blob of `request` to `fd`, which may be a pipe, and no other output.

    Args:
        request: what to build.
        fd: open for writing.
        scratch: directory that archives are unpacked in.
        expect_directories: see `collect`.
        keeper: of what was kept of the layer before, in a worker.

    Raises:
        LadingError: see `collect`, `lay` and `write_blob`.
    """
    with Spool(scratch, request.checkpoint) as spool:
        if len(request.sources) == 1 and request.sources[0].startswith("R\t"):
            from lading.layer.recompress import recompress

            return recompress(
                fd,
                request.sources[0].split("\t")[2],
                request.compression,
                spool,
                threads=request.threads,
                checkpoint=request.checkpoint,
            )
        entries = collect(
            request.sources,
            spool=spool,
            default_metadata=request.default_metadata,
            create_parent_directories=request.create_parent_directories,
            deduplicate_trees=request.deduplicate_trees,
            expect_directories=expect_directories,
        )
        if request.estargz:
            from lading.layer.estargz_writer import write_estargz

            return write_estargz(
                fd,
                entries,
                request.compression,
                threads=request.threads,
                checkpoint=request.checkpoint,
            )
        if keeper is not None:
            return keeper.write(
                fd,
                entries,
                is_file=bool(request.output),
                threads=request.threads,
                checkpoint=request.checkpoint,
            )
        cutter = Cutter(request.compression.target)
        return write_blob(
            fd,
            lambda take: lay(entries, cutter, take),
            request.compression,
            cutter.capacity,
            threads=request.threads,
            checkpoint=request.checkpoint,
        )


def _build_once(request: LayerRequest, keeper: Keeper | None, *, expect_directories: bool) -> Blob:
    scratch = (request.output or request.metadata).rpartition("/")[0]
    beside: list[str] = []
    try:
        with Output(request.output) if request.output else Nowhere() as output:
            blob = write_layer(
                request,
                output.fd,
                scratch=scratch,
                expect_directories=expect_directories,
                keeper=keeper,
            )
            if request.metadata:
                annotations = {**request.annotations, **blob.annotations}
                document = layer_metadata(blob, request.media_type, annotations)
                write_output(request.metadata, document)
                beside.append(request.metadata)
            if request.recipe:
                from lading.layer.recipe import dumps

                write_output(request.recipe, dumps(request))
                beside.append(request.recipe)
    except BaseException:
        # Of a blob that is not there.
        for path in beside:
            remove(path)
        raise
    return blob
