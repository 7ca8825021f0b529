"""How a transfer tells what it does, to whoever wants to show it."""

from __future__ import annotations

from typing import Literal, Protocol

from lading.oci.descriptor import Descriptor

__all__ = ["SILENT", "Outcome", "Progress"]

#: What became of one piece of content: sent, already there, or linked from another repository.
Outcome = Literal["sent", "exists", "mounted"]


class Progress(Protocol):
    """Called from several threads at once, about one descriptor at a time each."""

    def begin(self, descriptor: Descriptor) -> None:
        """The transfer of `descriptor` starts."""
        ...

    def advance(self, descriptor: Descriptor, size: int) -> None:
        """`size` more bytes went through; negative when a failed attempt is taken back."""
        ...

    def end(self, descriptor: Descriptor, outcome: Outcome) -> None:
        """Nothing more will be sent for `descriptor`."""
        ...


class _Silent:
    def begin(self, descriptor: Descriptor) -> None:
        pass

    def advance(self, descriptor: Descriptor, size: int) -> None:
        pass

    def end(self, descriptor: Descriptor, outcome: Outcome) -> None:
        pass


SILENT: Progress = _Silent()
