"""HTML pages. Everything that comes from an image is text to the templates, never markup."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from lading.oci import media_types
from lading.oci.digest import Digest
from lading.store.sizes import human
from lading_dashboard.api import address, time_text
from lading_dashboard.assets import Asset
from lading_dashboard.catalog import Found, Snapshot
from lading_dashboard.figures import segments, shared_layers
from lading_dashboard.images import Image, Manifest

__all__ = ["SORTS", "Pages", "select"]

#: The orders of the list, as in `?sort=`, with what the page calls them.
SORTS: Mapping[str, str] = {
    "newest": "newest first",
    "name": "by name",
    "size": "largest first",
}
_TYPES = {
    media_types.LAYER: "tar",
    media_types.LAYER_GZIP: "tar, gzip",
    media_types.LAYER_ZSTD: "tar, zstd",
}
#: Longest text shown of one value, in characters; the JSON has all of it.
_MAX_TEXT = 2000
#: Most platforms of one image that have a bar in the list.
_MAX_BARS = 4


@dataclass(frozen=True, slots=True)
class _Query:
    text: str
    sort: str


def select(images: Sequence[Image], text: str, sort: str) -> list[Image]:
    """The images that have every word of `text` in a name, digest or platform, in order `sort`."""
    words = text.lower().split()
    found = [image for image in images if all(word in _searched(image) for word in words)]
    if sort == "name":
        found.sort(key=lambda image: (image.repository, image.tags, image.digest))
    elif sort == "size":
        found.sort(key=lambda image: image.total, reverse=True)
    return found


class Pages:
    """The pages, with what all of them need: templates and assets."""

    def __init__(self, assets: Mapping[str, Asset]) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals |= {
            "assets": {name: asset.url for name, asset in assets.items()},
            "sorts": SORTS,
        }
        self._environment.filters |= {
            "size": human,
            "short": _short,
            "time": time_text,
            "command": shlex.join,
            "type": lambda media_type: _TYPES.get(media_types.promote(media_type), media_type),
            "page": lambda item, image: address(item.digest, image.repository, prefix="/images"),
            "json": lambda item, image: address(
                item.digest, image.repository, prefix="/api/images"
            ),
            "searched": _searched,
            "cut": _cut,
        }

    def images(
        self, snapshot: Snapshot, places: Sequence[Path], *, text: str = "", sort: str = ""
    ) -> bytes:
        """The list, or what to do next when there is nothing to list."""
        shown = select(snapshot.images, text, sort)
        shared = shared_layers(snapshot.images)
        largest = _largest(item for image in snapshot.images for item in image.runnable)
        unique = {part for image in snapshot.images for part in image.parts()}
        return self._render(
            "images.html",
            query=_Query(text, sort if sort in SORTS else "newest"),
            images=shown,
            bars=[
                [
                    (manifest, segments(manifest.layers, shared, largest=largest))
                    for manifest in image.runnable[:_MAX_BARS]
                    if manifest.layers
                ]
                for image in shown
            ],
            any_shared=bool(shared),
            total=len(snapshot.images),
            repositories=len({image.repository for image in snapshot.images}),
            bytes=sum(dict(unique).values()),
            problems=snapshot.problems,
            places=[(str(place), place.exists()) for place in places],
        )

    def image(self, found: Found, snapshot: Snapshot) -> bytes:
        """One image or one manifest of an index."""
        image = found.image
        manifest = found.manifest
        if manifest is None and image.kind != "index" and image.manifests:
            manifest = image.manifests[0]
        shared = shared_layers(snapshot.images)
        # Platforms side by side are drawn to one scale.
        largest = 0 if manifest else _largest(image.runnable)
        return self._render(
            "image.html",
            image=image,
            manifest=manifest,
            inner=found.manifest is not None,
            elsewhere=found.elsewhere,
            shared=shared,
            problems=(found.manifest or image).all_problems,
            bars={
                item.digest: segments(item.layers, shared, largest=largest)
                for item in ([manifest] if manifest else image.manifests)
            },
        )

    def error(self, status: int, title: str, message: str, fix: str = "") -> bytes:
        """What went wrong, with a way back."""
        return self._render("error.html", status=status, title=title, message=message, fix=fix)

    def _render(self, template: str, **values: object) -> bytes:
        text = self._environment.get_template(template).render(**values)
        # JSON may hold halves of surrogate pairs, and names of directories any bytes at all.
        return text.encode("utf-8", "replace")


def _largest(manifests: Iterable[Manifest]) -> int:
    """Bytes of the layers of the largest manifest."""
    return max((sum(layer.size for layer in item.layers) for item in manifests), default=0)


def _searched(image: Image) -> str:
    words = (image.repository, *image.tags, str(image.digest), *image.platforms, image.kind)
    return " ".join(words).lower()


def _short(digest: Digest) -> str:
    return digest.hex[:12]


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…"
