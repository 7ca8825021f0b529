"""The document that describes a layer."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from lading.layer.metadata import layer_metadata
from lading.layer.writer import Blob

_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(_TEXT, _TEXT), _TEXT)
def test_it_is_compact_json_whatever_is_in_it(annotations: dict[str, str], by: str) -> None:
    blob = Blob()
    blob.digest, blob.size = "sha256:aa", 1
    blob.diff_id, blob.uncompressed_size = "sha256:bb", 2
    document = layer_metadata(blob, "application/x", annotations, by)
    value = {
        "mediaType": "application/x",
        "digest": "sha256:aa",
        "size": 1,
        "diff_id": "sha256:bb",
        "uncompressed_size": 2,
        "annotations": dict(sorted(annotations.items())),
        "history": {"created": "1970-01-01T00:00:00Z", "created_by": by},
    }
    expected = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    assert document.decode() == f"{expected}\n"
