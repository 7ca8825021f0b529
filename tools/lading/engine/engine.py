"""What lading asks of a container engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from lading.oci.content import Content
from lading.oci.digest import Digest
from lading.oci.platform import Platform
from lading.store.image import Image

__all__ = ["ENDED", "Engine", "EngineImage", "Loaded", "Progress", "Sent"]

#: States of a container that does not use its image any more. It still keeps the engine from
#: removing the image, but nothing runs from it.
ENDED = frozenset({"dead", "exited", "removing", "stopped"})

#: Called with the bytes sent so far and the bytes there are to send.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class EngineImage:
    """An image that an engine has.

    `id` is what the engine calls it: the digest of its config, or of its manifest where the
    engine keeps images in containerd.
    """

    id: Digest
    names: tuple[str, ...]
    diff_ids: tuple[Digest, ...]
    platform: Platform


@dataclass(frozen=True, slots=True)
class Loaded:
    """A load that was verified: the engine has this image under these names.

    `layers_sent` and `bytes_sent` (payload only) say what was not there before. After a dry run
    nothing was loaded, and they are the most that would be sent.
    """

    engine: str
    names: tuple[str, ...]
    id: Digest
    platform: Platform
    layers_sent: int
    bytes_sent: int

    def to_json(self) -> dict[str, Any]:
        """The object printed by `--json`."""
        return {
            "engine": self.engine,
            "id": str(self.id),
            "references": list(self.names),
            "sentLayers": self.layers_sent,
            "sentBytes": self.bytes_sent,
        }


@dataclass(slots=True)
class Sent:
    """How much went over the wire: whole layers, and bytes of layers."""

    layers: int = 0
    bytes: int = 0

    def forget(self) -> None:
        """Starts counting again: what was sent was of no use."""
        self.layers = self.bytes = 0


class Engine(Protocol):
    """A container engine, to which `loading.load` gives images.

    Every method raises EngineError when the engine fails or goes away.
    """

    @property
    def name(self) -> str:
        """`docker`, `podman` or `containerd`."""
        ...

    def platform(self) -> Platform:
        """What the engine runs natively."""
        ...

    def find(self, name: str) -> EngineImage | None:
        """The image called `name` (a name or an image id), None when there is none."""
        ...

    def id_of(self, image: Image) -> Digest:
        """What the engine calls the image, or will call it."""
        ...

    def send(self, content: Content, image: Image, progress: Progress, sent: Sent) -> None:
        """Sends the image, without a name, and without what is there already if it can.

        Raises CorruptError when a blob is not what its descriptor says; nothing was loaded then.
        """
        ...

    def tag(self, image_id: Digest, name: str) -> None:
        """Gives an image that is there the name `repository:tag`, which another may have had."""
        ...

    def used(self) -> frozenset[Digest]:
        """The ids of the images that containers run from, or are about to."""
        ...

    def remove(self, name: str) -> None:
        """Takes the name away, and the image with its last name; no error when it is gone.

        Raises ConflictError when a container uses the image.
        """
        ...

    def close(self) -> None:
        """Ends connections, and what was started to make them."""
        ...
