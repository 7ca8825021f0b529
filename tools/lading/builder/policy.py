"""What a Dockerfile may take from outside: what it was given, and what was allowed by name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from lading.builder import running
from lading.builder.dockerfile import Dockerfile, Reference, parse
from lading.builder.request import NETWORKS, BuildRequest
from lading.errors import InputError, NotFoundError, UsageError
from lading.oci import document
from lading.store import image as images
from lading.store.layout_directory import Layout

__all__ = ["Admitted", "admit"]

#: Frontends that read ordinary Dockerfiles; those of the builders do the same.
_ORDINARY = re.compile(r"(?:[a-z0-9.:-]+/)?docker/dockerfile(?:-upstream)?(?:[:@].*)?")
_NAME = re.compile(r"[a-z0-9]+(?:[._:/@-]+[a-zA-Z0-9]+)*")
_SECRET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_ENVIRONMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: Build arguments that tell BuildKit to do something else than what the Dockerfile says.
_RESERVED = re.compile(r"BUILDKIT_.*|SOURCE_DATE_EPOCH", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that may be given to a builder.

    Attributes:
        request: with the names of `bases` spelled as the Dockerfile spells them.
        text: the Dockerfile to build: line for line the user's.
        warnings: what to tell the user.
    """

    request: BuildRequest
    text: str
    warnings: tuple[str, ...]


def admit(request: BuildRequest) -> Admitted:
    """Checks a request before any builder sees it.

    Raises:
        NotFoundError: the context or the Dockerfile is not there.
        InputError: the Dockerfile takes what it was not given, by the line that does so.
        UsageError: a value of the request itself is wrong.
    """
    _check(request)
    running.check(request)
    text = request.text()
    dockerfile = request.parse(text)
    warnings: list[str] = []
    if dockerfile.syntax:
        text = _syntax(dockerfile, text, request, warnings)
    for stage in dockerfile.stages:
        if stage.name and stage.name in {name.lower() for name in request.bases}:
            raise InputError(
                f"Dockerfile, line {stage.line}: the stage {stage.name!r:.80} has a base's name",
                fix="rename one of the two",
            )
    bases: dict[str, Path] = {}
    for reference in dockerfile.external(request.target):
        given = request.bases.get(reference.name) or request.bases.get(reference.text)
        if given is not None:
            bases[reference.name] = given
            if reference.how == "FROM":
                _triggers(reference, given, request, warnings)
        else:
            _outside(reference, request, warnings)
    unused = sorted(set(request.bases) - _used(dockerfile, request.target))
    if unused:
        raise InputError(
            f"the Dockerfile does not use {unused[0]!r:.80} of bases",
            fix=f"write FROM {unused[0]:.80} in it, or take the base away",
        )
    return Admitted(replace(request, bases=bases), text, tuple(warnings))


def _used(dockerfile: Dockerfile, target: str) -> set[str]:
    return {name for item in dockerfile.external(target) for name in (item.name, item.text)}


def _check(request: BuildRequest) -> None:
    if not request.context.is_dir():
        raise NotFoundError(f"there is no context at {request.context}")
    if request.network not in NETWORKS:
        raise UsageError(
            f"the network {request.network!r:.40} is unknown", fix=f"use {', '.join(NETWORKS)}"
        )
    _names("base", request.bases, _NAME)
    _names("secret", (secret.id for secret in request.secrets), _SECRET)
    _names("build argument", request.build_args, _ENVIRONMENT)
    for name in request.build_args:
        if _RESERVED.fullmatch(name):
            raise UsageError(
                f"the build argument {name} changes what the builder does",
                fix="ask for a frontend in the Dockerfile; SOURCE_DATE_EPOCH is always 0",
            )
    for name, value in (*request.build_args.items(), *request.labels.items()):
        if "\0" in name + value or not name:
            raise UsageError(f"the build argument or label {name!r:.80} cannot be passed on")


def _names(what: str, names: Iterable[str], pattern: re.Pattern[str]) -> None:
    for name in names:
        if not pattern.fullmatch(name):
            raise UsageError(f"{name!r:.80} is no name of a {what}")


def _syntax(dockerfile: Dockerfile, text: str, request: BuildRequest, warnings: list[str]) -> str:
    """The text to build: a frontend is an image from a registry, and a program that sees all."""
    name, line = dockerfile.syntax, dockerfile.syntax_line
    if name in request.allow:
        if "@" not in name:
            warnings.append(_unpinned(f"line {line}: the frontend {name}", name))
        return text
    if not _ORDINARY.fullmatch(name):
        raise InputError(
            f"Dockerfile, line {line}: the frontend {name:.120} would decide what is built",
            fix="take the line away, or allow it by name if you trust it: allow = [...]",
        )
    warnings.append(
        f"line {line}: the builder's own frontend is used, not {name}: none is fetched."
        " To have exactly that one, pin it and allow it"
    )
    lines = text.split("\n")
    lines[line - 1] = "# (no syntax line)"
    if dockerfile.escape_line > line:
        # Directives end at the first ordinary comment.
        lines[line - 1] = f"# escape={dockerfile.escape}"
        lines[dockerfile.escape_line - 1] = "#"
    return "\n".join(lines)


def _outside(reference: Reference, request: BuildRequest, warnings: list[str]) -> None:
    """Admits an image from a registry, or a file from a server, that was allowed by its name."""
    name, where = (
        reference.name,
        f"Dockerfile, line {reference.line}: {reference.how} {reference.text}",
    )
    if reference.how.endswith("ADD"):
        if name not in request.allow:
            raise InputError(
                f"{where:.240} fetches what nothing pins",
                fix="add --checksum=sha256:… to it, make it an input of the build, or allow it",
            )
        return
    if "$" in name:
        raise InputError(
            f"{where:.240} names an image by what is not known before it is built",
            fix="say what it is built for (platform), or declare the variable with a default and"
            " set it in build_args",
        )
    if name not in request.allow:
        known = ", ".join(sorted(request.bases)) or "none"
        raise InputError(
            f"{where:.240} names an image that the build was not given; nothing is pulled unasked",
            fix=f"give it in bases or by --base (given: {known}), or let it be pulled:"
            f" allow = [{name!r:.120}] or --allow",
        )
    if not re.search(r"@sha256:[0-9a-f]{64}$", name):
        warnings.append(_unpinned(f"line {reference.line}: {name}", name))


def _triggers(
    reference: Reference, layout: Path, request: BuildRequest, warnings: list[str]
) -> None:
    """Admits what a base's ONBUILD instructions take from outside: they run as if written here.

    Those of all its images count: FROM may ask for another platform than the build's.
    """
    content = Layout(layout, follow_links=True)
    roots = content.index().manifests
    for manifest in (item for root in roots for item in images.manifests(content, root)):
        try:
            config = images.read(content, manifest).config_bytes
        except NotFoundError:
            continue  # of an index that is not here as a whole: no builder can use it either
        settings = document.loads_object(config, what="a config").get("config")
        lines = settings.get("OnBuild") if isinstance(settings, dict) else None
        text = "\n".join(["FROM scratch", *map(str, lines or ())])
        for taken in parse(text).external():
            how = f"ONBUILD {taken.how}"
            _outside(replace(taken, line=reference.line, how=how), request, warnings)


def _unpinned(what: str, name: str) -> str:
    return (
        f"{what} can be another image tomorrow; pin it by the digest that this prints:"
        f" bazel run @lading//tools:registry -- inspect {name}"
    )
