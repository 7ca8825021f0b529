"""Style sheet, script and icon: read once, served under names that change with their content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FOLDER", "Asset", "load_assets"]

FOLDER = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page. `url` names its content, so a browser may keep it for good."""

    url: str
    media_type: str
    body: bytes


def load_assets(folder: Path = FOLDER) -> Mapping[str, Asset]:
    """Every asset by file name."""
    assets = {}
    for path in sorted(folder.iterdir()):
        media_type = _TYPES.get(path.suffix)
        if media_type is None:
            continue
        body = path.read_bytes()
        tag = hashlib.sha256(body).hexdigest()[:16]
        assets[path.name] = Asset(f"/static/{tag}/{path.name}", media_type, body)
    return assets
