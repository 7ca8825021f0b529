"""Installs what a stored image lacks, in a container of it, by its own package manager (S1.4).

For systems whose packages lading does not unpack itself, and where maintainer scripts have to run.
The base goes to the builder as a layout; nothing is pulled. What the builder made is written again
by lading's layer tools: layers of the base stay the blobs that they are.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lading.builder import choose, normalise
from lading.builder.build import build
from lading.builder.failure import BuildError
from lading.builder.progress import Event, Tail
from lading.builder.request import Builder, BuildRequest
from lading.errors import EngineError, InputError, NotFoundError
from lading.layer.compress import Compression
from lading.oci import document, layout, media_types
from lading.oci.content import Content, FilesContent
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.store import layouts
from lading.store.access import Opened
from lading.store.archive import Archive
from lading.store.prepare import Build
from lading.store.recipe import Recipe

__all__ = ["Installer", "dockerfile", "installer", "script"]

#: Systems whose images have apt, by the first word of their name.
_APT = ("debian", "ubuntu")
_BASE = "lading-base"
#: A directory that every Debian and Ubuntu has, and that is empty.
_MOUNT = "/mnt"
#: Lines of a failed build that its message repeats.
_LAST = 3
#: How long an installation may take.
_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Installer:
    """How to install.

    Attributes:
        builder: one of `choose.BUILDERS`.
        address: of a Docker daemon or a buildkitd; empty for where docker finds it.
        sources: a `.list` or `.sources` file to install from in place of the image's own; it does
            not stay in the image.
    """

    builder: str = "auto"
    address: str = ""
    sources: Path | None = None


def installer(how: Installer, say: Callable[[str], None]) -> Build:
    """A Build that needs a builder of this machine, and what its packages come from."""

    @contextlib.contextmanager
    def made(
        recipe: Recipe, base: Opened | None, work: Path
    ) -> Iterator[tuple[Content, Descriptor]]:
        if recipe.name.os.partition("-")[0] not in _APT:
            raise InputError(
                f"nothing is known about installing packages on {recipe.name.os}",
                fix=f"known are {' and '.join(_APT)}; build an image and save it: store save",
            )
        if base is None:
            raise NotFoundError(
                f"the store has no image of {recipe.name.os} to build {recipe.name} on",
                fix="save one first, with its apt: "
                f"store save {recipe.name.project}-{recipe.name.os}-base SOURCE",
            )
        found = choose.find(how.builder, address=how.address)
        say(f"{base.entry.name} is given to {found.name}")
        lent = work / "base"
        layouts.write(lent, base.image.manifest, base.archive)
        archive = work / "built.tar"
        _build(found, _request(recipe, base, lent, work, how), archive, recipe, say)
        say("what it made is packed")
        yield _packed(archive, lent, work / "image", recipe)

    return made


def dockerfile(user: str) -> str:
    """The Dockerfile; `user` is who the image runs as, empty for root."""
    become, back = ("USER 0\n", f"USER {user}\n") if user else ("", "")
    mount = f"--mount=type=bind,target={_MOUNT}"
    command = json.dumps(["/bin/sh", "-eu", f"{_MOUNT}/install.sh"])
    return f"FROM {_BASE}\n{become}RUN {mount} {command}\n{back}"


def script(recipe: Recipe, sources: str = "") -> str:
    """What runs in the container, as root; `sources` is the name of a file beside it."""
    options = ["--quiet", "--option=APT::Sandbox::User=root"]
    if sources:
        options.append(f"--option=Dir::Etc::SourceList={_MOUNT}/{sources}")
        options.append("--option=Dir::Etc::SourceParts=/dev/null")
    apt = shlex.join(["apt-get", *options])
    lines = ["export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8"]
    if recipe.install:
        packages = shlex.join(recipe.install)
        lines += [
            f"{apt} update",
            f"{apt} install --yes --no-install-recommends -- {packages}",
            "apt-get clean",
            "rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/cache/ldconfig/*",
        ]
    lines += [shlex.join(["ln", "-sfn", target, path]) for path, target in recipe.links]
    return "\n".join([*lines, ""])


def _request(recipe: Recipe, base: Opened, lent: Path, work: Path, how: Installer) -> BuildRequest:
    context = work / "context"
    context.mkdir()
    sources = ""
    if how.sources is not None:
        sources = "lading.sources" if how.sources.suffix == ".sources" else "lading.list"
        try:
            shutil.copyfile(how.sources, context / sources)
        except OSError as error:
            raise NotFoundError(f"{how.sources} cannot be read: {error.strerror}") from None
    config = document.loads_object(base.image.config_bytes, what=base.entry.name).get("config")
    user = config.get("User") if isinstance(config, dict) else ""
    user = user if isinstance(user, str) and user not in ("0", "root", "0:0", "root:root") else ""
    if "\n" in user:
        raise InputError(f"{base.entry.name} runs as a user whose name has more than one line")
    (context / "install.sh").write_text(script(recipe, sources))
    (context / "Dockerfile").write_text(dockerfile(user))
    return BuildRequest(
        context,
        bases={_BASE: lent},
        platform=base.image.platform,
        network="host",
        # Yesterday's packages would be what the builder remembers.
        no_cache=True,
        timeout=_SECONDS,
    )


def _build(
    found: Builder,
    request: BuildRequest,
    archive: Path,
    recipe: Recipe,
    say: Callable[[str], None],
) -> None:
    tail = Tail(_LAST)

    def on_event(event: Event) -> None:
        if event.status == "output" and event.text.strip():
            tail(event)
        if event.status in ("output", "info", "warning") and (line := event.person().rstrip()):
            say(line)

    try:
        build(found, request, archive, on_event)
    except BuildError as error:
        how = "failed" if error.status is None else f"failed with exit status {error.status}"
        last = " | ".join(line.strip() for line in str(tail).splitlines())
        raise EngineError(
            f"{recipe.name} could not be built: installing {' '.join(recipe.install)} {how}: "
            f"{last or error.what}",
            fix="the whole output is above; what was in the store is as it was",
        ) from None


def _packed(archive: Path, lent: Path, output: Path, recipe: Recipe) -> tuple[Content, Descriptor]:
    with Archive(archive) as opened:
        result = normalise.image(
            opened,
            opened.image(),
            [lent],
            output,
            what=recipe.name.text,
            compression=Compression("zstd"),
        )
    files = dict(layout.blob_files(output))
    for name, data in (("config", result.config), ("manifest", result.manifest)):
        path = output / name
        path.write_bytes(data)
        files[Digest.of(data)] = path
    return FilesContent(files), Descriptor.of(media_types.MANIFEST, result.manifest)
