"""An image for a job, built when there is none: `prepare` (requirement S1.4)."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

from lading.builder import choose
from lading.commands import entry, flags
from lading.commands.meter import Meter
from lading.commands.store.matching import define, requirement
from lading.commands.store.shared import Verb, dump
from lading.commands.store.using import into_engine
from lading.engine import engines
from lading.errors import NotFoundError
from lading.oci.platform import Platform
from lading.store import debian_build, prepare
from lading.store.match import Requirement
from lading.store.prepare import Build, Prepared

__all__ = ["prepare_"]


def prepare_(argv: Sequence[str]) -> int:
    """store prepare --project=capy --os=debian-13 [--compiler=gcc14] [--package=…] [--load]

    Prints the archive of the image that fits, as match does. If there is none, installs what is
    missing on the best base, saves the image, registers it and matches again. Debian is built from
    packages, on nothing if there is no base and without an engine; other systems, or any with
    --builder, in a container of the base. One process builds an image at a time; others wait and
    share it. A failed build changes nothing.
    """
    verb = Verb(prepare_.__doc__ or "")
    define(verb.flags)
    flags.define_bool("load", False, "Load it into an engine too.", flag_values=verb.flags)
    flags.define_enum("daemon", "docker", engines.ENGINES, "Engine.", flag_values=verb.flags)
    flags.define_string("host", "", "Address of the engine.", flag_values=verb.flags)
    flags.define_enum(
        "builder",
        "auto",
        ["auto", "packages", *choose.BUILDERS[1:]],
        "What installs: Debian packages without an engine, or a builder of this machine.",
        flag_values=verb.flags,
    )
    flags.define_string("builder_address", "", "Where the builder is.", flag_values=verb.flags)
    flags.define_string(
        "apt_sources", "", "Install from this file's sources, in a builder.", flag_values=verb.flags
    )
    verb.parse(argv, most=0)
    wanted = requirement(verb.flags)
    start = time.monotonic()

    def say(text: str) -> None:
        # In one piece: threads say something too.
        sys.stderr.write(f"lading: {time.monotonic() - start:6.1f} s  {text}\n")
        sys.stderr.flush()

    def prepared() -> Prepared:
        with Meter("saved") as meter:
            build = _build(verb.flags, wanted, say)
            return prepare.prepare(verb.root, wanted, build, say=say, progress=meter)

    done = prepared()
    loaded = None
    if verb.flags.load:
        platform = Platform.parse(f"linux/{wanted.architecture}")
        engine = (verb.flags.daemon, verb.flags.host)
        try:
            loaded = into_engine(verb.root, done.found.entry.name, *engine, platform=platform)
        except NotFoundError:
            # Removed in the moment since, when nobody held it: a job is not ended by that.
            done = prepared()
            loaded = into_engine(verb.root, done.found.entry.name, *engine, platform=platform)
    item = done.found.entry
    if verb.json:
        value = {
            "best_image_path": str(done.path),
            "name": item.name,
            "docker_tag": item.docker_tag,
            "score": done.found.score,
            "built": done.built,
        }
        dump(value | ({"loaded": loaded.to_json()} if loaded else {}))
    else:
        print("\n".join(loaded.names) if loaded else done.path)
    return 0


def _build(values: flags.FlagValues, wanted: Requirement, say: Callable[[str], None]) -> Build:
    """From packages where lading knows the system's, else by a builder."""
    name, address = values.builder, values.builder_address
    by_packages = name == "auto" and wanted.os.lower() in debian_build.SUITES
    if name == "packages" or (by_packages and not address and not values.apt_sources):
        return debian_build.builder(say)
    from lading.builder.installing import Installer, installer

    sources = entry.here(values.apt_sources) if values.apt_sources else None
    return installer(Installer(name, address, sources=sources), say)
