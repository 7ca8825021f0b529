"""The bytes of one upload, from any offset, however often they are asked for."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from lading.errors import CorruptError, NotFoundError
from lading.http.bodies import Body, FileBody, StreamBody
from lading.oci.content import Content, checked
from lading.oci.descriptor import Descriptor
from lading.registry.progress import Progress
from lading.registry.verifying import VerifyingReader

__all__ = ["Source"]


class Source:
    """A blob that is being sent: from its file if it has one, else from a checked stream.

    A file's size is checked before anything is sent and its digest by the registry; hashing it
    here as well would cost more than sending it.
    """

    def __init__(self, content: Content, descriptor: Descriptor, progress: Progress) -> None:
        self._content = content
        self._descriptor = descriptor
        self._progress = progress
        self._reader: VerifyingReader | None = None
        self._path: Path | None = content.path(descriptor)
        #: Offset behind the last byte that left.
        self.position = 0
        #: The furthest that `position` has been.
        self.sent = 0
        self._shown = 0

    def body(self, offset: int, size: int) -> Body:
        """The body of a request with `size` bytes from `offset`.

        Raises CorruptError if a file has another size than its descriptor, or what is passed
        over on the way to `offset` is wrong; NotFoundError if the content is not there.
        """
        self.position = offset
        self._show()
        if self._path is not None:
            try:
                found = self._path.stat().st_size
            except OSError as error:
                raise NotFoundError(
                    f"{self._path} cannot be read: {error.strerror}", fix="build it again"
                ) from None
            if found != self._descriptor.size:
                raise CorruptError(
                    f"{self._path} has {found} bytes, its descriptor says {self._descriptor.size}",
                    fix="build it again",
                )
            return FileBody(self._path, offset, size, self._advance)
        if self._reader is None or self._reader.position != offset:
            self.close()
            self._reader = VerifyingReader(self._content.open(self._descriptor), self._descriptor)
            self._reader.skip(offset)
        return StreamBody(self._reader, size, self._advance)  # type: ignore[arg-type]

    def verify(self) -> None:
        """Raises CorruptError if it is the local bytes that are wrong."""
        what = str(self._path or f"the content of {self._descriptor.digest}")
        with self._content.open(self._descriptor) as stream:
            for _ in checked(stream, self._descriptor, what=what, fix="build it again"):
                pass

    def close(self) -> None:
        """Closes the stream, if one is open."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _advance(self, size: int) -> None:
        self.position += size
        self.sent = max(self.sent, self.position)
        self._show()

    def _show(self) -> None:
        if self.position != self._shown:
            self._progress.advance(self._descriptor, self.position - self._shown)
            self._shown = self.position
