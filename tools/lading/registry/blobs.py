"""Blobs: whether they are there, and fetching them (distribution-spec 1.1)."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping

from lading.errors import CorruptError
from lading.http.download import Download
from lading.http.limits import CHUNK
from lading.http.messages import Response
from lading.http.retry import Attempts
from lading.oci.descriptor import Descriptor
from lading.registry.repository import Repository

__all__ = ["BlobReader", "exists"]


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
    if response.status in (404, 405, 501) or (push and response.status == 403):
        # Where there is no HEAD, or a login may write and not look, it is sent again.
        return False
    if response.status != 200 and response.request.origin != repository.origin:
        # An address in a storage that is signed for GET is no good for HEAD.
        return False
    if response.status != 200:
        raise repository.failure(response, doing)
    # A registry that has other bytes under this digest is corrupt; it gets the right ones.
    return response.length in (None, descriptor.size)


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
        self._hash = hashlib.new(descriptor.digest.algorithm)
        self._position = 0
        self._what = f"the blob {descriptor.digest} of {repository}"
        self._doing = f"fetch {descriptor.digest} from"
        self._download = Download(
            self._get,
            descriptor.size,
            what=self._what,
            doing=f"{self._doing} {repository}",
            attempts=Attempts(repository.session.budget),
        )

    def readable(self) -> bool:
        return True

    def start(self) -> None:
        """Asks for the blob now, so that a missing one shows before the first read."""
        self._download.start()

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        data = self._download.read(size)
        self._hash.update(data)
        self._position += len(data)
        if self._position == self._descriptor.size:
            self._check()
        return data

    def close(self) -> None:
        self._download.close()
        super().close()

    def _get(self, headers: Mapping[str, str]) -> Response:
        path = f"blobs/{self._descriptor.digest}"
        response = self._repository.request("GET", path, doing=self._doing, headers=headers)
        if response.status not in (200, 206, 416):
            raise self._repository.failure(response, self._doing)
        return response

    def _check(self) -> None:
        if self._hash.hexdigest() != self._descriptor.digest.hex:
            self._download.close()
            algorithm = self._descriptor.digest.algorithm
            raise CorruptError(
                f"{self._what} is corrupt: its digest is {algorithm}:{self._hash.hexdigest()}"
            )
