"""The steps of a load, the same for every engine: send, verify, name, verify.

An engine gets the image without a name. Only when it shows the image under the expected id and
with the expected layers do the names move, so a name is the old image or the complete new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lading.engine.engine import EngineImage, Loaded, Progress
from lading.engine.name import image_name
from lading.engine.sending import Sent
from lading.errors import CorruptError, EngineError
from lading.oci.content import Content
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.oci.platform import Platform
from lading.store import image as images
from lading.store.image import Image

__all__ = ["Receiver", "load"]


class Receiver(Protocol):
    """The parts of a load that engines do each in their own way."""

    @property
    def name(self) -> str: ...

    def platform(self) -> Platform: ...

    def find(self, name: str) -> EngineImage | None: ...

    def id_of(self, image: Image) -> Digest:
        """What the engine will call the image."""
        ...

    def send(self, content: Content, image: Image, progress: Progress, sent: Sent) -> None:
        """Sends the image without a name; raises EngineError."""
        ...

    def tag(self, image_id: Digest, name: str) -> None:
        """Names an image that is there; raises EngineError."""
        ...


def load(
    engine: Receiver,
    content: Content,
    root: Descriptor,
    names: Sequence[str],
    platform: Platform | None,
    progress: Progress,
    *,
    dry_run: bool = False,
) -> Loaded:
    """Loads the image at `root`; see `Engine.load`."""
    wanted = [image_name(name) for name in names]
    image = images.read(content, root, platform or engine.platform())
    expected, sent = engine.id_of(image), Sent()
    is_there = _shows(engine, expected, image)
    if dry_run:
        layers, size = (0, 0) if is_there else (len(image.layers), image.size)
        return Loaded(engine.name, tuple(wanted), expected, image.platform, layers, size)
    if not is_there:
        engine.send(content, image, progress, sent)
        if not _shows(engine, expected, image):
            raise CorruptError(
                f"{engine.name} accepted {root.digest}, but has no image {expected}",
                fix=f"nothing was named; the log of {engine.name} may say why",
            )
    for name in wanted:
        engine.tag(expected, name)
        found = engine.find(name)
        if found is None or found.id != expected:
            raise EngineError(
                f"{engine.name} named {name}, but it is {found.id if found else 'not there'}",
                fix=f"expected {expected}: is something else moving the same name?",
            )
    return Loaded(engine.name, tuple(wanted), expected, image.platform, sent.layers, sent.bytes)


def _shows(engine: Receiver, image_id: Digest, image: Image) -> bool:
    found = engine.find(str(image_id))
    return found is not None and found.diff_ids == image.diff_ids
