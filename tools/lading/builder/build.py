"""One build from request to archive: checked first, then run by whichever builder.

builder = choose.find("auto")
build(builder, BuildRequest(context), Path("image.tar"), on_event)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lading.builder import scratch
from lading.builder.policy import admit
from lading.builder.progress import Event, Tail
from lading.builder.request import Builder, BuildRequest
from lading.errors import LadingError

__all__ = ["build"]


def build(
    builder: Builder,
    request: BuildRequest,
    output: Path,
    on_event: Callable[[Event], None] = lambda event: None,
) -> None:
    """Builds an image and writes it to `output`, a tar that `store.archive.Archive` reads.

    Args:
        builder: what `choose.find` found.
        request: what to build.
        output: replaced when the build is complete, untouched when it fails.
        on_event: called with each event while the build runs; the first comes before any
            instruction is run. No event and no error holds the value of a secret.

    Raises:
        NotFoundError, InputError, UsageError: see `policy.admit`; no builder has seen it.
        EngineError, LimitError, StorageError: see `Builder.build`.
    """
    admitted = admit(replace(request, build_platform=builder.platform()))
    hidden = Tail(0, request.secret_values())

    def emit(event: Event) -> None:
        on_event(replace(event, text=hidden.hide(event.text), name=hidden.hide(event.name)))

    emit(Event("info", text=f"building {request.file.name} with {builder.name}"))
    for warning in admitted.warnings:
        emit(Event("warning", text=warning))
    with scratch.scratch() as directory:
        path = scratch.dockerfile_copy(request, admitted.text, directory)
        try:
            builder.build(replace(admitted.request, dockerfile=path), output, emit)
        except LadingError as error:
            # It may be told in the words of a program that was given the secret.
            error.what = hidden.hide(error.what)
            raise
