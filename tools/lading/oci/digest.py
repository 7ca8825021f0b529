"""Content digests (image-spec 1.1, descriptor.md, "Digests")."""

from __future__ import annotations

import hashlib
import re

from lading.errors import CorruptError, InputError
from lading.record import record

__all__ = ["Digest"]

# Only algorithms whose hex form is known here are accepted: a digest becomes a file name and a
# URL component, so an unknown algorithm must never get that far (CVE-2024-3727).
_HEX = {
    "sha256": re.compile(r"[0-9a-f]{64}"),
    "sha512": re.compile(r"[0-9a-f]{128}"),
}


@record
class Digest:
    """A registered algorithm and the lowercase hex of a hash: `sha256:e3b0…`."""

    algorithm: str
    hex: str

    @staticmethod
    def parse(text: object) -> Digest:
        """Reads `algorithm:hex`; raises InputError for anything the grammar does not allow."""
        if isinstance(text, str):
            algorithm, colon, value = text.partition(":")
            pattern = _HEX.get(algorithm)
            if colon and pattern is not None and pattern.fullmatch(value):
                return Digest(algorithm, value)
        raise InputError(
            f"{text!r:.120} is not a digest",
            fix="a digest is sha256:<64 lowercase hex digits> or sha512:<128>",
        )

    @staticmethod
    def from_json(value: object, *, what: str) -> Digest:
        """Reads a document's digest; `what` names it in the CorruptError that a bad one raises."""
        try:
            return Digest.parse(value)
        except InputError:
            raise CorruptError(f"{what} has {value!r:.120} for a digest") from None

    @staticmethod
    def of(data: bytes, algorithm: str = "sha256") -> Digest:
        """The digest of `data`."""
        return Digest(algorithm, hashlib.new(algorithm, data).hexdigest())

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"
