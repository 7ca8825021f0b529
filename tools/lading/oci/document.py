"""JSON documents read strictly and written canonically.

`json.loads` keeps the last of two equal keys, accepts NaN and may exhaust the stack; a manifest
that two readers understand differently is an attack (CVE-2021-41190). All JSON that comes from
outside passes through `loads`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from lading.errors import CorruptError, LimitError

__all__ = ["MAX_DOCUMENT_BYTES", "dumps", "loads", "loads_object"]

#: Largest manifest, index or config accepted, in bytes (distribution-spec: registries should
#: accept manifests of at least 4 MiB).
MAX_DOCUMENT_BYTES = 4 * 1024 * 1024


def loads(data: bytes, *, what: str, limit: int = MAX_DOCUMENT_BYTES) -> Any:
    """Parses `data` as one JSON value.

    Args:
        data: UTF-8 bytes.
        what: how to name the document in an error.
        limit: largest accepted size in bytes.

    Raises:
        LimitError: `data` is larger than `limit`.
        CorruptError: not UTF-8, not JSON, a duplicate key, NaN or Infinity, or nested too deep.
    """
    if len(data) > limit:
        raise LimitError(f"{what} is {len(data)} bytes, more than the {limit} allowed")
    try:
        return json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique_keys, parse_constant=_no_constant
        )
    except RecursionError:
        raise CorruptError(f"{what} is nested too deep") from None
    except ValueError as error:
        raise CorruptError(f"{what} is not valid JSON: {error}") from None


def loads_object(data: bytes, *, what: str, limit: int = MAX_DOCUMENT_BYTES) -> dict[str, Any]:
    """As `loads`, for a document that has to be a JSON object."""
    value = loads(data, what=what, limit=limit)
    if not isinstance(value, dict):
        raise CorruptError(f"{what} is not a JSON object")
    return value


def dumps(value: Mapping[str, Any]) -> bytes:
    """Serialises `value`: compact, UTF-8, keys in the order given, so the digest is stable.

    Raises CorruptError for what JSON can spell but not carry: half a surrogate pair, 1e999.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode()
    except ValueError as error:
        raise CorruptError(f"a document holds a value that JSON cannot carry: {error}") from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {key!r} occurs twice")
            seen.add(key)
    return result


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not allowed")
