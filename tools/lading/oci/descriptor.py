"""Content descriptors (image-spec 1.1, descriptor.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lading.errors import CorruptError
from lading.oci import media_types
from lading.oci.digest import Digest
from lading.oci.platform import Platform
from lading.record import field, record

__all__ = ["Descriptor"]

_KNOWN = {"mediaType", "digest", "size", "annotations", "platform", "artifactType"}


@record
class Descriptor:
    """The type, digest and size of a piece of content, as one document refers to another.

    `size` is in bytes. `extra` keeps every other field (`urls`, `data`, and those not known
    here) so that a descriptor survives being read and written.
    """

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None
    artifact_type: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_artifact(self) -> bool:
        """Whether an index lists this beside its images, for a tool that knows its type."""
        return media_types.promote(self.artifact_type) not in ("", media_types.CONFIG)

    @staticmethod
    def of(media_type: str, data: bytes) -> Descriptor:
        """Describes `data`."""
        return Descriptor(media_type, Digest.of(data), len(data))

    @staticmethod
    def from_json(value: object, *, what: str) -> Descriptor:
        """Reads a descriptor; `what` names it in the CorruptError raised when it is malformed."""
        if not isinstance(value, dict):
            raise CorruptError(f"{what} is not a descriptor: {value!r:.80}")
        media_type, size = value.get("mediaType"), value.get("size")
        if not isinstance(media_type, str) or not media_type:
            raise CorruptError(f"{what} has no mediaType")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise CorruptError(f"{what} has the size {size!r:.40}, not a number of bytes")
        annotations = {} if value.get("annotations") is None else value["annotations"]
        if not isinstance(annotations, dict) or not all(
            isinstance(text, str) for text in annotations.values()
        ):
            raise CorruptError(f"{what} has annotations that are not a map of strings")
        platform = value.get("platform")
        if platform is not None and not isinstance(platform, dict):
            raise CorruptError(f"{what} has a platform that is not an object")
        artifact_type = value.get("artifactType") or ""
        if not isinstance(artifact_type, str):
            raise CorruptError(f"{what} has an artifactType that is not a string")
        return Descriptor(
            media_type,
            Digest.from_json(value.get("digest"), what=what),
            size,
            annotations,
            None if platform is None else Platform.from_json(platform, what=what),
            artifact_type,
            {key: item for key, item in value.items() if key not in _KNOWN},
        )

    def to_json(self) -> dict[str, Any]:
        """The JSON object; empty optional fields are left out."""
        value: dict[str, Any] = {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
        }
        if self.annotations:
            value["annotations"] = dict(sorted(self.annotations.items()))
        if self.platform is not None:
            value["platform"] = self.platform.to_json()
        if self.artifact_type:
            value["artifactType"] = self.artifact_type
        value.update(self.extra)
        return value
