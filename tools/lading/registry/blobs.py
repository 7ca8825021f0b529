"""Blobs: whether they are there, fetching and deleting them (distribution-spec 1.1)."""

from __future__ import annotations

import hashlib
import io
import re

from lading.errors import CorruptError, UnreachableError
from lading.http.limits import CHUNK
from lading.http.messages import Response, TransportError
from lading.http.retry import Attempts
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.registry.session import Repository

__all__ = ["BlobReader", "delete", "exists"]

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")


def exists(repository: Repository, descriptor: Descriptor, *, push: bool = True) -> bool:
    """Whether the repository has a blob with the digest and size of `descriptor`.

    Args:
        repository: where to look.
        descriptor: the blob.
        push: ask with the rights of the push that this is for, which saves a second token.
    """
    doing = f"look for {descriptor.digest} in"
    access = repository.access("pull,push" if push else "pull")
    response = repository.request("HEAD", f"blobs/{descriptor.digest}", doing=doing, access=access)
    response.close()
    if response.status == 404:
        return False
    if response.status != 200:
        raise repository.failure(response, doing)
    # A registry that has other bytes under this digest is corrupt; it gets the right ones.
    return response.length in (None, descriptor.size)


def delete(repository: Repository, digest: Digest) -> bool:
    """Deletes a blob; returns whether it was there."""
    doing = f"delete {digest} from"
    response = repository.request(
        "DELETE", f"blobs/{digest}", doing=doing, access=repository.access("pull,push,delete")
    )
    if response.status not in (200, 202, 204, 404):
        raise repository.failure(response, doing)
    response.close()
    return response.status != 404


class BlobReader(io.RawIOBase):
    """A blob, streamed: resumed where it broke off, and checked before its last bytes.

    `read` raises:
        NotFoundError: the repository has no such blob.
        CorruptError: it is not what the descriptor says.
        UnreachableError: it broke off too often without getting ahead.
    """

    def __init__(self, repository: Repository, descriptor: Descriptor) -> None:
        self._repository = repository
        self._descriptor = descriptor
        self._attempts = Attempts(repository.session.budget)
        self._hash = hashlib.new(descriptor.digest.algorithm)
        self._response: Response | None = None
        self._position = 0
        self._skip = 0
        self._mark = 0

    def readable(self) -> bool:
        return True

    def start(self) -> None:
        """Asks for the blob now, so that a missing one shows before the first read."""
        if self._response is None:
            self._response = self._open()

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        left = self._descriptor.size - self._position
        if not left:
            if not self._descriptor.size:
                self._check()
            return b""
        data = self._some(min(size, left))
        self._hash.update(data)
        self._position += len(data)
        if self._position == self._descriptor.size:
            self._end()
        return data

    def close(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None
        super().close()

    def _some(self, size: int) -> bytes:
        """At least one byte, over as many attempts as it takes."""
        while True:
            try:
                if self._response is None:
                    self._response = self._open()
                while self._skip:
                    self._skip -= len(self._response.read_some(min(CHUNK, self._skip)))
                data = self._response.read_some(size)
                if data:
                    return data
                raise TransportError("the answer is too short")
            except TransportError as error:
                self._drop()
                if self._position - self._mark >= CHUNK:
                    self._mark = self._position
                    self._attempts.progress()
                if not self._attempts.again():
                    raise UnreachableError(
                        f"cannot fetch {self._descriptor.digest} from {self._repository}: {error}"
                    ) from None

    def _open(self) -> Response:
        start, total = self._position, self._descriptor.size
        doing = f"fetch {self._descriptor.digest} from"
        response = self._get({"Range": f"bytes={start}-"} if start else {}, doing)
        if start and response.status == 416:
            response.close()
            response = self._get({}, doing)
        if response.status == 206 and start:
            match = _CONTENT_RANGE.fullmatch(response.header("Content-Range"))
            if match is None or int(match[1]) != start or match[3] not in ("*", str(total)):
                response.close()
                raise self._corrupt("the registry sends another range than it was asked for")
            return response
        if response.status != 200:
            raise self._repository.failure(response, doing)
        # Ranges are optional: without them the beginning comes again, and is passed over.
        self._skip = start
        if response.length is not None and response.length != total:
            length = response.length
            response.close()
            raise self._corrupt(f"{length} bytes instead of {total}")
        return response

    def _get(self, headers: dict[str, str], doing: str) -> Response:
        path = f"blobs/{self._descriptor.digest}"
        return self._repository.request("GET", path, doing=doing, headers=headers)

    def _end(self) -> None:
        self._check()
        response, self._response = self._response, None
        if response is None:
            return
        try:
            extra = response.read_some(1)
        except TransportError:
            extra = b""
        response.close()
        if extra:
            raise self._corrupt(f"it goes on after {self._descriptor.size} bytes")

    def _check(self) -> None:
        if self._hash.hexdigest() != self._descriptor.digest.hex:
            self._drop()
            raise self._corrupt(
                f"its digest is {self._descriptor.digest.algorithm}:{self._hash.hexdigest()}"
            )

    def _drop(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None

    def _corrupt(self, why: str) -> CorruptError:
        return CorruptError(
            f"the blob {self._descriptor.digest} of {self._repository} is corrupt: {why}"
        )
