"""The flags that choose a context, and the destination that follows from it (S2.7).

`--context` counts first, then LADING_CONTEXT, then the setting that the target was built with.
"""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lading.commands import entry, flags
from lading.commands.deploy import Deploy
from lading.errors import NotFoundError, UsageError
from lading.oci.reference import split_registry
from lading.record import record
from lading.registry.policy import ANY_TAG, TagPolicy

if TYPE_CHECKING:
    from lading.commands.destinations import Context, Destinations

__all__ = ["Destination", "choose", "define", "place"]


@record
class Destination:
    """Where one image goes; an empty registry is the embedded default.

    `mounts` are the repositories there that may have parts of it.
    """

    registry: str
    repository: str
    mounts: tuple[str, ...] = ()
    policy: TagPolicy = ANY_TAG


def define(values: flags.FlagValues) -> None:
    """Adds the flags to a command's."""
    flags.define_string(
        "context", None, "Context: upstream, overlay, …; empty for none.", flag_values=values
    )
    flags.define_string(
        "destinations", "", "File that maps contexts to registries (YAML).", flag_values=values
    )


def choose(values: flags.FlagValues, image: Deploy, runfiles: Path) -> Context | None:
    """The context that flags, environment or settings choose; None where there are none.

    Raises:
        NotFoundError: no such context, or none is chosen; lists those there are.
        UsageError: a context is chosen, and there is no file of destinations.
    """
    setting = image.extra.get("destinations") or {}
    name = values.context
    if name == "":
        return None
    if name is None:
        name = os.environ.get("LADING_CONTEXT", setting.get("context", ""))
    if values.destinations:
        path = entry.here(values.destinations)
    elif "file" in setting:
        path = runfiles / setting["file"]
    elif name:
        raise UsageError(
            f"the context {name!r:.80} is chosen, but there is no file of destinations",
            fix="give --destinations, or build with --@lading//rules/settings:destinations=//:FILE",
        )
    else:
        return None
    return _read(path, values.destinations or setting.get("label", str(path))).choose(name)


@functools.cache
def _read(path: Path, shown: str) -> Destinations:
    """Once for all the images of a run."""
    from lading.commands import destinations

    try:
        data = path.read_bytes()
    except OSError as error:
        raise NotFoundError(f"{path} cannot be read: {error.strerror}") from None
    return destinations.parse(data, what=shown)


def place(image: Deploy, registry: str | None, context: Context | None) -> Destination:
    """Where `image` goes. A registry that the target or the command line names wins.

    A target may name it in its repository as well: `registry.example.com/team/app`.

    The destination that a context gives is printed, so that it is seen before anything is sent.
    """
    named, repository = image.registry if registry is None else registry, image.repository
    if registry is None and not named:
        named, repository = split_registry(repository)
    if registry is None and context is None:
        # The setting that stands for every target's own.
        named = named or image.extra.get("destination_registry", "")
    if named or registry is not None or context is None:
        return Destination(named, repository, image.mounts)
    # Other targets go where this context sends them, too.
    found = Destination(
        context.registry,
        context.repository(image.repository),
        tuple(context.repository(name) for name in image.mounts),
        context.policy,
    )
    print(
        f"lading: {image.label} goes to {found.registry}/{found.repository}"
        f" (context {context.name})",
        file=sys.stderr,
    )
    return found
