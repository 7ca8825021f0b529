"""Builds one layer: the blob and the document that describes it."""

from __future__ import annotations

from lading.layer.collect import collect
from lading.layer.compress import Compression
from lading.layer.frames import Cutter
from lading.layer.lay import lay
from lading.layer.metadata import layer_metadata
from lading.layer.outputs import Output, write_output
from lading.layer.reading import DirectoryError
from lading.layer.spool import Spool
from lading.layer.writer import Blob, write_blob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["LayerRequest", "build_layer"]


class LayerRequest:
    """What to build; see `collect` for `sources` and `default_metadata`.

    `metadata` and `mtree` are paths of outputs, empty for none. `threads` 0 means one for each
    processor.
    """

    __slots__ = (
        "annotations", "checkpoint", "compression", "create_parent_directories",
        "default_metadata", "inputs", "media_type", "metadata", "output", "sources", "threads",
    )  # fmt: skip

    def __init__(
        self,
        output: str,
        sources: Sequence[str],
        *,
        metadata: str = "",
        compression: Compression | None = None,
        annotations: Mapping[str, str] | None = None,
        media_type: str = "",
        default_metadata: str = "",
        create_parent_directories: bool = True,
        inputs: Mapping[str, str] | None = None,
        threads: int = 0,
        checkpoint: Callable[[], None] = lambda: None,
    ) -> None:
        self.output = output
        self.sources = sources
        self.metadata = metadata
        self.compression = compression or Compression("gzip")
        self.annotations = annotations or {}
        self.media_type = media_type or self.compression.media_type
        self.default_metadata = default_metadata
        self.create_parent_directories = create_parent_directories
        self.inputs = inputs
        self.threads = threads
        self.checkpoint = checkpoint


def build_layer(request: LayerRequest) -> Blob:
    """Writes the outputs of `request`; they appear together or, on an error, not at all.

    Raises:
        LadingError: see `collect`, `lay` and `write_blob`.
    """
    try:
        return _build(request, expect_directories=False)
    except DirectoryError:
        return _build(request, expect_directories=True)


def _build(request: LayerRequest, *, expect_directories: bool) -> Blob:
    directory = request.output.rpartition("/")[0]
    with Spool(directory) as spool, Output(request.output) as output:
        entries = collect(
            request.sources,
            spool=spool,
            default_metadata=request.default_metadata,
            create_parent_directories=request.create_parent_directories,
            expect_directories=expect_directories,
        )
        cutter = Cutter(request.compression.target)
        blob = write_blob(
            output.fd,
            lambda take: lay(entries, cutter, take),
            request.compression,
            cutter.capacity,
            threads=request.threads,
            checkpoint=request.checkpoint,
        )
        if request.metadata:
            document = layer_metadata(blob, request.media_type, request.annotations)
            write_output(request.metadata, document)
    return blob
