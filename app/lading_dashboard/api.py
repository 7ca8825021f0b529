"""The JSON of `/api/images`. Fields may be added; none changes its meaning or goes away.

Fields that a specification defines have its name (`mediaType`, `artifactType`); sizes are bytes,
times RFC 3339 in UTC, and what is not known is null. `docs/dashboard.md` describes the shape.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

from lading.oci.digest import Digest
from lading_dashboard.catalog import Found, Snapshot
from lading_dashboard.images import Config, Image, Manifest

__all__ = ["VERSION", "address", "detail_json", "list_json", "time_text"]

VERSION = 1


def list_json(snapshot: Snapshot) -> dict[str, Any]:
    """The answer to `GET /api/images`."""
    return {
        "version": VERSION,
        "images": [_image(image) for image in snapshot.images],
        "problems": [
            {"repository": problem.where, "message": problem.message}
            for problem in snapshot.problems
        ],
    }


def detail_json(found: Found) -> dict[str, Any]:
    """The answer to `GET /api/images/<digest>`: the image, with configs and annotations.

    `digest` is what was asked for; `image` is the image that has or contains it.
    """
    image = found.image
    return {
        "version": VERSION,
        "digest": str((found.manifest or image).digest),
        "repositories": sorted({image.repository, *(item.repository for item in found.elsewhere)}),
        "image": _image(image)
        | {
            "annotations": dict(image.annotations),
            "manifests": [_manifest(item) | _details(item) for item in image.manifests],
        },
    }


def address(digest: Digest, repository: str, *, prefix: str) -> str:
    """The path of an image's page or JSON; the repository says which of several copies."""
    return f"{prefix}/{digest}?repository={quote(repository, safe='/', errors='replace')}"


def time_text(time: datetime | None) -> str | None:
    """RFC 3339 in UTC, whole seconds."""
    return time.replace(microsecond=0, tzinfo=None).isoformat() + "Z" if time else None


def _image(image: Image) -> dict[str, Any]:
    return {
        "repository": image.repository,
        "tags": list(image.tags),
        "digest": str(image.digest),
        "mediaType": image.media_type,
        "kind": image.kind,
        "size": image.total,
        "created": time_text(image.created),
        "stored": time_text(image.stored),
        "platforms": list(image.platforms),
        "manifests": [_manifest(item) for item in image.manifests],
        "problems": list(image.all_problems),
        "href": address(image.digest, image.repository, prefix="/api/images"),
    }


def _manifest(manifest: Manifest) -> dict[str, Any]:
    return {
        "digest": str(manifest.digest),
        "mediaType": manifest.media_type,
        "role": manifest.role,
        "artifactType": manifest.artifact_type or None,
        "platform": str(manifest.platform) if manifest.platform else None,
        "size": manifest.total,
        "created": time_text(manifest.created),
        "layers": [
            {"digest": str(layer.digest), "mediaType": layer.media_type, "size": layer.size}
            for layer in manifest.layers
        ],
    }


def _details(manifest: Manifest) -> dict[str, Any]:
    return {
        "annotations": dict(manifest.annotations),
        "config": _config(manifest.config) if manifest.config else None,
        "history": [layer.created_by for layer in manifest.layers],
    }


def _config(config: Config) -> dict[str, Any]:
    return {
        "digest": str(config.digest),
        "size": config.size,
        "author": config.author or None,
        "user": config.user or None,
        "entrypoint": list(config.entrypoint),
        "cmd": list(config.cmd),
        "working_dir": config.working_dir or None,
        "stop_signal": config.stop_signal or None,
        "env_names": list(config.env_names),
        "exposed_ports": list(config.ports),
        "volumes": list(config.volumes),
        "labels": dict(config.labels),
    }
