"""Where an image's bytes may be, and reading them from the first place that has them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, cast

from lading.errors import DeniedError, LadingError, NotFoundError, UnreachableError
from lading.oci.content import Content
from lading.oci.descriptor import Descriptor
from lading.store import sizes

__all__ = ["Places"]

#: What another place may make good. Wrong content is not among it: it is never passed over.
_ELSEWHERE = (NotFoundError, UnreachableError, DeniedError)


class Places:
    """Several places, asked in order; one that fails in the middle is followed by the next.

    Args:
        places: each with a name for messages: `the remote cache grpc://…`.
        fix: what to do when content is nowhere.
    """

    def __init__(self, places: Sequence[tuple[str, Content]], *, fix: str) -> None:
        self._places = tuple(places)
        self._fix = fix

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """Raises NotFoundError that names the content and every place, or why one failed."""
        reader = _Reader(self._places, descriptor, self._fix)
        reader.start()
        return cast("BinaryIO", reader)

    def path(self, descriptor: Descriptor) -> Path | None:
        return next((path for _, place in self._places if (path := place.path(descriptor))), None)


class _Reader(io.RawIOBase):
    """Reads from one place until it fails, and goes on in the next."""

    def __init__(
        self, places: Sequence[tuple[str, Content]], descriptor: Descriptor, fix: str
    ) -> None:
        self._left = list(places)
        self._descriptor = descriptor
        self._fix = fix
        self._stream: BinaryIO | None = None
        self._position = 0
        self._asked: list[str] = []
        self._trouble: LadingError | None = None

    def readable(self) -> bool:
        return True

    def start(self) -> None:
        """Finds a place that has the content from `position` on."""
        while self._left:
            name, place = self._left.pop(0)
            self._asked.append(name)
            stream: BinaryIO | None = None
            try:
                stream = place.open(self._descriptor)
                if _skip(stream, self._position):
                    self._stream = stream
                    return
            except _ELSEWHERE as error:
                self._note(error)
            if stream is not None:
                stream.close()
        digest, size = self._descriptor.digest, self._descriptor.size
        what = f"{digest} ({sizes.human(size)}) is not in {', nor in '.join(self._asked)}"
        if self._trouble is None:
            raise NotFoundError(what, fix=self._fix)
        self._trouble.fix = self._trouble.fix or self._fix
        raise self._trouble.about(what)

    def read(self, size: int | None = -1, /) -> bytes:
        while True:
            assert self._stream is not None
            try:
                data = self._stream.read(-1 if size is None else size)
            except _ELSEWHERE as error:
                self._note(error)
                self._stream.close()
                self.start()
                continue
            self._position += len(data)
            return data

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        super().close()

    def _note(self, error: LadingError) -> None:
        # That a place does not have it is said by its name; any other reason is worth a word.
        if not isinstance(error, NotFoundError):
            self._trouble = self._trouble or error


def _skip(stream: BinaryIO, size: int) -> bool:
    while size:
        data = stream.read(min(1 << 20, size))
        if not data:
            return False
        size -= len(data)
    return True
