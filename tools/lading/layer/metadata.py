"""The JSON document that describes a layer to the actions above it, which never see its blob."""

from __future__ import annotations

from lading.layer.writer import Blob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["layer_metadata"]


def layer_metadata(
    blob: Blob,
    media_type: str,
    annotations: Mapping[str, str],
    created_by: str = "lading image_layer",
) -> bytes:
    """The document, one line of JSON.

    `history` is the layer's entry in the image config. It names no target, so that moving one
    does not change a digest.
    """
    value = {
        "mediaType": media_type,
        "digest": blob.digest,
        "size": blob.size,
        "diff_id": blob.diff_id,
        "uncompressed_size": blob.uncompressed_size,
        "annotations": dict(sorted(annotations.items())),
        "history": {"created": "1970-01-01T00:00:00Z", "created_by": created_by},
    }
    return _json(value).encode() + b"\n"


def _json(value: object) -> str:
    """Compact JSON. What needs no escapes is written without the library, for a tiny layer is
    built in the time that loading it takes.
    """
    if isinstance(value, dict):
        return "{" + ",".join([f"{_json(key)}:{_json(item)}" for key, item in value.items()]) + "}"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str) and value.isprintable() and not {'"', "\\"} & set(value):
        return f'"{value}"'
    import json

    return json.dumps(value, ensure_ascii=False)
