"""Which image fits: `match` (requirement S1.3)."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence

from lading.commands import flags
from lading.commands.store.shared import Verb, dump
from lading.errors import NotFoundError, UsageError, visible
from lading.oci.platform import MACHINES, Platform
from lading.store import catalog_file, match, places
from lading.store.match import Requirement, Scored

__all__ = ["define", "match_", "requirement"]


def match_(argv: Sequence[str]) -> int:
    """store match --os=ubuntu-24.04 [--compiler=gcc14] [--package=cmake …] [--tool=ninja …]

    Prints the archive of the image that fits best. If something is missing on every image, prints
    the best one to build on, and says on stderr what is missing. Nothing to build on: code 4.
    """
    verb = Verb(match_.__doc__ or "")
    define(verb.flags)
    flags.define_bool(
        "explain", False, "Every image with its score and why.", flag_values=verb.flags
    )
    verb.parse(argv, most=0)
    wanted = requirement(verb.flags)
    found = match.plan(catalog_file.read(verb.root).entries, wanted)

    def path(item: Scored | None) -> str | None:
        return str(places.inside(verb.root, item.entry.file)) if item else None

    chosen = found.best or found.base
    if verb.json:
        value: dict[str, object] = {
            "best_image_path": path(found.best),
            "best_base_image_path": path(found.base),
            "name": chosen.entry.name if chosen else None,
            "docker_tag": chosen.entry.docker_tag if chosen else None,
            "score": chosen.score if chosen else 0,
            "needs_build": found.needs_build,
            "missing": list(chosen.missing) if chosen else [],
        }
        if verb.flags.explain:
            value["considered"] = [
                {"name": item.entry.name, "score": item.score, "reasons": list(item.reasons)}
                for item in found.considered
            ]
        dump(value)
    else:
        if verb.flags.explain:
            for item in found.considered:
                print(f"{item.score:>4}  {item.entry.name}", file=sys.stderr)
                for reason in item.reasons:
                    print(visible(f"        {reason}"), file=sys.stderr)
        if chosen:
            print(path(chosen))
    if chosen is None:
        why = "" if verb.flags.explain else "--explain says why; "
        raise NotFoundError(
            f"no image fits {wanted.os} on {wanted.architecture}, not even to build on",
            fix=f"{why}save an image of that os first",
        )
    if found.needs_build:
        missing = ", ".join(chosen.missing)
        print(
            f"lading: needs a build on {chosen.entry.name}: {missing} is missing", file=sys.stderr
        )
    return 0


def define(values: flags.FlagValues) -> None:
    """Defines the flags of a requirement."""
    flags.define_string("project", "", "Only images of this project.", flag_values=values)
    flags.define_string("os", "", "Name and version: ubuntu-24.04.", flag_values=values)
    flags.define_string(
        "arch", "", "Architecture: amd64, arm64; by default this machine's.", flag_values=values
    )
    flags.define_string("compiler", "", "gcc14; gcc for any; * for any.", flag_values=values)
    flags.define_multi_string("package", [], "A package it has to have.", flag_values=values)
    flags.define_multi_string("tool", [], "A tool it has to have.", flag_values=values)
    flags.define_multi_string(
        "variant", [], "A variant: asan, cov; matched exactly.", flag_values=values
    )
    flags.define_bool(
        "allow_missing", False, "Packages and tools may be missing.", flag_values=values
    )


def requirement(values: flags.FlagValues) -> Requirement:
    """The requirement that the flags describe; raises UsageError."""
    fix = "name the os with its version: --os=ubuntu-24.04"
    if not values.os:
        raise UsageError("--os is missing", fix=fix)
    if not any(character.isdigit() for character in values.os):
        raise UsageError(f"--os={values.os} has no version", fix=fix)
    machine = platform.machine()
    architecture = values.arch or MACHINES.get(machine, machine)
    return Requirement(
        values.os,
        Platform.parse(f"linux/{architecture}").architecture,
        values.compiler,
        tuple(values.package),
        tuple(values.tool),
        tuple(values.variant),
        values.project,
        values.allow_missing,
    )
