"""What lading asks of a container engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lading.oci.content import Content
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.oci.platform import Platform

__all__ = ["ENDED", "Engine", "EngineImage", "Loaded", "Progress", "no_progress"]

#: States of a container that does not use its image any more. It still keeps the engine from
#: removing the image, but nothing runs from it.
ENDED = frozenset({"dead", "exited", "removing", "stopped"})

#: Called with the bytes sent so far and the bytes there are to send.
Progress = Callable[[int, int], None]


def no_progress(done: int, total: int) -> None:
    """Shows nothing."""


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


class Engine(Protocol):
    """A container engine. Every method raises EngineError when the engine fails or goes away."""

    @property
    def name(self) -> str:
        """`docker`, `podman` or `containerd`."""
        ...

    @property
    def address(self) -> str:
        """Where it answers, for messages."""
        ...

    def platform(self) -> Platform:
        """What the engine runs natively."""
        ...

    def load(
        self,
        content: Content,
        root: Descriptor,
        names: Sequence[str],
        *,
        platform: Platform | None = None,
        progress: Progress = no_progress,
        dry_run: bool = False,
    ) -> Loaded:
        """Gives the engine the image at `root` under `names`, which move only once it is verified.

        Args:
            content: where the image's bytes are.
            root: its manifest, or an index that has one for the platform.
            names: `repository:tag`; what the image's own archive calls itself does not matter.
            platform: another one than the engine's own.
            progress: called while bytes are sent.
            dry_run: ask the engine, but send and name nothing.

        Raises:
            NotFoundError: nothing for the platform, or a blob is missing.
            CorruptError: a blob is not what its descriptor says; nothing was loaded.
        """
        ...

    def find(self, name: str) -> EngineImage | None:
        """The image called `name` (a name or an image id), None when there is none."""
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
