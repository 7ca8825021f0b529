"""One command in an image, and what it changed: a build of two lines, of which one layer is kept.

The same builders that build Dockerfiles run it, so a command sees what RUN sees and nothing is
written twice. It is given to the builder in exec form: the image needs no shell.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from lading.builder import normalise, scratch
from lading.builder.build import build
from lading.builder.failure import BuildError
from lading.builder.progress import Event
from lading.builder.request import Builder, BuildRequest
from lading.errors import CorruptError, InputError
from lading.layer.compress import Compression
from lading.layer.entries import DIRECTORY, Entry
from lading.layer.paths import OPAQUE, WHITEOUT
from lading.layer.view import View
from lading.layer.writer import Blob
from lading.store import image as images
from lading.store.archive import Archive
from lading.store.layout_directory import Layout

__all__ = ["Step", "run"]

#: Where the command finds its inputs.
_INPUTS = "/inputs"
#: What builders put into a container, and mount points that they leave behind.
_NOISE = ("dev", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf", "inputs", "proc",
          "run/.containerenv", "run/secrets", "sys", ".dockerenv")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """A command: `command` is the program's absolute path and its arguments."""

    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = "0:0"
    working_dir: str = "/"

    def dockerfile(self, secrets: Sequence[str]) -> str:
        """The Dockerfile that runs it; raises InputError for what cannot be written in one."""
        words = [*self.command, self.user, self.working_dir, *self.env, *self.env.values()]
        if not self.command or any("\n" in word or "\0" in word for word in words):
            raise InputError("the command is empty, or has a line break in it")
        mounts = [f"--mount=type=bind,source=inputs,target={_INPUTS}"]
        mounts += [f"--mount=type=secret,id={name}" for name in secrets]
        lines = [
            "FROM base",
            f"USER {_literal(self.user)}",
            f"WORKDIR {_literal(self.working_dir)}",
            *(f"ENV {name}={_quoted(value)}" for name, value in sorted(self.env.items())),
            f"RUN {' '.join(mounts)} {json.dumps(list(self.command))}",
        ]
        return "\n".join(lines) + "\n"


def run(
    builder: Builder,
    step: Step,
    request: BuildRequest,
    output: Path,
    *,
    what: str,
    compression: Compression,
    on_event: Callable[[Event], None] = lambda event: None,
) -> Blob:
    """Runs a command in the image that `request.bases["base"]` is, and keeps what it changed.

    Args:
        builder: what runs it.
        step: the command.
        request: its context has a directory `inputs`; its Dockerfile is not looked at.
        output: a directory; the layer becomes `output`/blobs/sha256/HEX.
        what: names the layer in errors.
        compression: of the layer.
        on_event: called while it runs.

    Raises:
        LadingError: see `builder.build.build`; CorruptError when the builder changed the base.
    """
    base = Layout(request.bases["base"], follow_links=True)
    below = images.read(base, scratch.root_of(request.bases["base"]), request.platform)
    view = View([partial(base.open, descriptor) for descriptor in below.layers])
    start = view.find(step.working_dir)
    if start is None or start.type != DIRECTORY:
        raise InputError(
            f"{what}: the base has no directory {step.working_dir:.200}",
            fix="set working_dir to one that it has",
        )
    with scratch.scratch() as directory:
        dockerfile = directory / "Dockerfile"
        names = [secret.id for secret in request.secrets]
        dockerfile.write_text(step.dockerfile(names), encoding="utf-8")
        archive = directory / "built.tar"
        try:
            build(builder, replace(request, dockerfile=dockerfile), archive, on_event)
        except BuildError as error:
            raise _failed(step, error) from None
        with Archive(archive) as opened:
            found = opened.image(request.platform)
            depth = len(below.diff_ids)
            if found.diff_ids[:depth] != below.diff_ids or len(found.diff_ids) == depth:
                raise CorruptError(f"{what}: {builder.name} made no layer on those of the base")
            (output / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
            # The last one: WORKDIR may have one of its own, about a directory that is there.
            return normalise.layer(
                opened, found.layers[-1], output, compression,
                what=what, change=lambda entries: _changes(entries, view),
            )  # fmt: skip


def _failed(step: Step, error: BuildError) -> BuildError:
    """The failure without the Dockerfile, which nobody has written."""
    command = f"the command {shlex.join(step.command):.200}"
    if error.status is None:
        return BuildError(f"{command} failed: {error.what}", fix=error.fix)
    return BuildError(
        f"{command} failed with exit status {error.status}", fix=error.fix, status=error.status
    )


def _changes(entries: list[Entry], view: View) -> list[Entry]:
    """What the command changed, said in the one way that all builders can say it.

    A directory that was replaced is opaque with some drivers, and with others each thing in it
    that is gone has a whiteout: here always the latter.
    """
    there = {entry.path: entry for entry in entries}
    found = [
        entry for entry in entries if not entry.path.endswith(OPAQUE) and _is_change(entry, view)
    ]
    for path in there:
        if path.endswith(OPAQUE):
            found += _hidden(path.removesuffix(OPAQUE).rstrip("/"), there, view)
    return list({entry.path: entry for entry in found}.values())


def _hidden(directory: str, there: Mapping[str, Entry], view: View) -> Iterator[Entry]:
    """Whiteouts for what the base has in a directory of which it shows nothing any more."""
    node = view.find(f"/{directory}", follow=False)
    for name, child in sorted(node.children.items()) if node is not None else ():
        path = f"{directory}/{name}" if directory else name
        new = there.get(path)
        if new is None:
            yield normalise.whiteout(
                f"{directory}/{WHITEOUT}{name}" if directory else f"{WHITEOUT}{name}"
            )
        elif new.kind == child.type == DIRECTORY:
            yield from _hidden(path, there, view)


def _is_change(entry: Entry, view: View) -> bool:
    """Whether the command made it: no file of the builder's, no directory that is as it was.

    Builders list a directory as soon as its time has changed, each one in other cases.
    """
    if any(entry.path == noise or entry.path.startswith(f"{noise}/") for noise in _NOISE):
        return False
    if entry.kind != DIRECTORY or entry.meta.pax:
        return True
    node = view.find(f"/{entry.path}", follow=False)
    return (
        node is None
        or node.type != DIRECTORY
        or (node.mode, node.uid, node.gid) != (entry.meta.mode, entry.meta.uid, entry.meta.gid)
    )


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("$", "\\$")


def _quoted(text: str) -> str:
    return '"' + _literal(text).replace('"', '\\"') + '"'
