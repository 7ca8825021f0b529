"""Where a build's image goes beside its layout: to registries, and into an engine."""

from __future__ import annotations

import contextlib

from lading.commands import connection, flags
from lading.commands.meter import Meter
from lading.engine import ENGINES
from lading.errors import UsageError
from lading.oci.content import Content
from lading.oci.descriptor import Descriptor
from lading.oci.reference import Reference

__all__ = ["check", "define", "deliver"]


def define(values: flags.FlagValues) -> None:
    """Adds the flags to a command's."""
    flags.define_multi_string("push", [], "REGISTRY/NAME[:TAG] to push to.", flag_values=values)
    flags.define_multi_string("load", [], "NAME[:TAG] to load under.", flag_values=values)
    flags.define_enum("daemon", "docker", ENGINES, "Engine for --load.", flag_values=values)
    connection.define(values)


def check(values: flags.FlagValues) -> None:
    """Raises UsageError or InputError for what `deliver` would refuse, before anything is built."""
    for name in values.push:
        if Reference.parse(name).digest:
            raise UsageError(f"--push={name:.160} has a digest", fix="name a tag, or none")
    if values.load:
        from lading.engine import engines
        from lading.engine.name import image_name

        engines.connect(values.daemon).close()
        for name in values.load:
            image_name(name)


def deliver(values: flags.FlagValues, content: Content, root: Descriptor) -> list[str]:
    """Pushes and loads the image at `root`; returns the references it has then.

    Raises LadingError: what is there then is complete, and the layout has the image in any case.
    """
    references = []
    if values.push:
        from lading.commands.transfer import Transfer
        from lading.registry import memory
        from lading.registry.push import Job, Pusher

        with contextlib.closing(connection.connect(values)) as session:
            jobs = []
            for name in values.push:
                reference = Reference.parse(name)
                target = session.repository(reference.registry, reference.repository)
                jobs.append(Job(root, content, target, (reference.tag or "latest",)))
            with Meter("pushed") as meter:
                Pusher(progress=Transfer(meter), memory=memory.at_home()).run(jobs)
            references += [f"{job.repository}:{job.tags[0]}@{root.digest}" for job in jobs]
    if values.load:
        from lading.engine import engines, loading

        with (
            contextlib.closing(engines.connect(values.daemon)) as engine,
            Meter("loaded") as meter,
        ):
            loaded = loading.load(engine, content, root, values.load, progress=meter)
        references += loaded.names
    return references
