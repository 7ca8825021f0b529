"""The steps of a load, the same for every engine: send, verify, name, verify.

An engine gets the image without a name. Only when it shows the image under the expected id and
with the expected layers do the names move, so a name is the old image or the complete new one.
"""

from __future__ import annotations

from collections.abc import Sequence

from lading.engine.engine import Engine, Loaded, Progress, Sent
from lading.engine.name import image_name
from lading.errors import CorruptError, EngineError
from lading.oci.content import Content
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.oci.platform import Platform
from lading.store import image as images
from lading.store.image import Image

__all__ = ["load"]


def load(
    engine: Engine,
    content: Content,
    root: Descriptor,
    names: Sequence[str],
    *,
    platform: Platform | None = None,
    progress: Progress = lambda done, total: None,
    dry_run: bool = False,
) -> Loaded:
    """Gives an engine the image at `root` under `names`, which move only once it is verified.

    Args:
        engine: what gets it.
        content: where the image's bytes are.
        root: its manifest, or an index that has one for the platform.
        names: `repository:tag`; what the image's own archive calls itself does not matter.
        platform: another one than the engine's own.
        progress: called while bytes are sent.
        dry_run: ask the engine, but send and name nothing.

    Raises:
        NotFoundError: nothing for the platform, or a blob is missing.
        CorruptError: a blob is not what its descriptor says; nothing was loaded.
        EngineError: the engine failed or went away.
    """
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


def _shows(engine: Engine, image_id: Digest, image: Image) -> bool:
    found = engine.find(str(image_id))
    return found is not None and found.diff_ids == image.diff_ids
