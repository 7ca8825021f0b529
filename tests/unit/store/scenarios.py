"""The operations that are done to a store under faults; `campaign` says what has to hold."""

from __future__ import annotations

import contextlib
import hashlib
import io
import shutil
import tarfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

from lading.debian.index import Index
from lading.debian.sources import Mirrors
from lading.errors import LadingError, NotFoundError
from lading.oci.content import Content, walk
from lading.oci.descriptor import Descriptor
from lading.store import (
    cleanup,
    collect,
    debian_build,
    layouts,
    naming,
    places,
    prepare,
    prune,
    register,
    save,
    writing,
)
from lading.store.access import Opened
from lading.store.layout_directory import Layout
from lading.store.match import Requirement
from lading.store.prune import Policy
from lading.store.recipe import Recipe
from lading.store.save import Facts
from tests.unit.store import tiny
from tests.unit.store.campaign import ANY, GONE, ORPHAN, Scenario
from tests.unit.store.stores import an_image, save_image

__all__ = ["SCENARIOS"]

_OTHER = "capy-ubuntu-24.04-gcc12"
_NAME = "capy-ubuntu-24.04-gcc13"
_BASE = "capy-ubuntu-24.04-base"
_BUILT = "capy-ubuntu-24.04-gcc14"


def _images(root: Path) -> None:
    save_image(root, _OTHER, "other")
    save_image(root, _NAME, "old", packages=["make"])


def _save(root: Path) -> str:
    return save_image(root, _NAME, "new").entry.digest


def _digest(text: str) -> str:
    return str(an_image(text)[1].digest)


def _loose(root: Path) -> None:
    """An archive in its place without an entry."""
    _images(root)
    register.unregister(root, _NAME)


def _register(root: Path) -> str:
    return register.register(root, Facts(naming.parse(_NAME))).digest


def _unregister(root: Path) -> str:
    with contextlib.suppress(NotFoundError):  # done before, when it is done again
        register.unregister(root, _NAME)
    return ""


def _lost(root: Path) -> None:
    _images(root)
    places.catalog(root).unlink()


def _binary(root: Path) -> None:
    _images(root)
    places.catalog(root).write_bytes(b"\0\xff binary")


def _repair(root: Path) -> str:
    register.repair(root)
    return ""


def _full(root: Path) -> None:
    """Images to remove, and leftovers of every kind."""
    _images(root)
    lost = save_image(root, GONE, "lost")
    lost.path.unlink()
    orphan = places.images(root) / "capy" / f"{ORPHAN}.tar"
    shutil.copyfile(places.images(root) / "capy" / f"{_OTHER}.tar", orphan)
    (orphan.parent / f".{_NAME}.tar.{'0' * 16}.draft").write_bytes(b"half")
    (places.leases(root) / f"{_NAME}.{'0' * 16}").write_bytes(b"")
    work = prepare.workplaces(root) / f"{_BUILT}.work"
    work.mkdir(parents=True)
    (work / "scratch").write_bytes(b"scratch")


def _clean(root: Path) -> str:
    """Keeps the image called _OTHER; an hour has gone by."""
    with mock.patch.object(cleanup, "_GRACE", 0.0):
        cleanup.reap(root)
    items = [item for item in cleanup.snapshot(root, {}) if item.entry.name != _OTHER]
    plan = prune.plan(items, Policy(max_total_size=0), free=0, now=datetime.now(UTC))
    cleanup.carry_out(root, plan)
    return ""


def _with_base(root: Path) -> None:
    save_image(root, _OTHER, "other")
    save_image(root, _BASE, "base")


@contextlib.contextmanager
def _build(recipe: Recipe, base: Opened | None, work: Path) -> Iterator[tuple[Content, Descriptor]]:
    with (work / "scratch").open("wb") as file:
        file.write(b"scratch")
    yield an_image("built")


def _prepare(root: Path) -> str:
    wanted = Requirement("ubuntu-24.04", "amd64", "gcc14", project="capy")
    return prepare.prepare(root, wanted, _build).found.entry.digest


def _by_threads(root: Path) -> str:
    """As an archive of 32 MiB and more is written; one blob is most of it."""
    with mock.patch.multiple(writing, _LARGE=1000, _PAUSE=0.0002):
        return save_image(root, _NAME, "new", size=600_000).entry.digest


_DEBIAN = "capy-debian-13-base"
_PACKAGES = ("gcc-14", "g++-14", "libc6-dev")
_STATUS = "Package: libc6\nStatus: install ok installed\nVersion: 2.41-1\nArchitecture: amd64\n"


def _mirror(root: Path) -> Path:
    return root.parent / "mirror"


def _with_debian(root: Path) -> None:
    """A base with dpkg's database, and a mirror with three packages beside the store."""
    content = tiny.MemoryContent()
    status = {"var/lib/dpkg/status": _STATUS.encode()}
    source = tiny.image(content, [tiny.layer(status), tiny.layer({"base": b"base"}, "none")])
    save.save(root, content, source, Facts(naming.parse(_DEBIAN)))
    _mirror(root).mkdir(exist_ok=True)
    for name in _PACKAGES:
        (_mirror(root) / f"{name}.deb").write_bytes(_deb(name))


def _deb(name: str) -> bytes:
    """A real package of one file."""
    control = f"Package: {name}\nVersion: 1\nArchitecture: amd64\nDepends: libc6\n"
    parts = [b"!<arch>\n"]
    for member, data in (
        ("debian-binary", b"2.0\n"),
        ("control.tar.xz", _tar("./control", control.encode())),
        ("data.tar.xz", _tar(f"./usr/bin/{name}", b"#!/bin/sh")),
    ):
        parts.append(f"{member:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode())
        parts += [data, b"\n" * (len(data) % 2)]
    return b"".join(parts)


def _tar(name: str, data: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:xz") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def _index() -> Index:
    """What a signed index would say about the mirror."""
    index = Index("amd64")
    there = "Package: libc6\nVersion: 2.41-1\nArchitecture: amd64\nFilename: libc6.deb\nSize: 1\n"
    stanzas = [f"{there}SHA256: {'0' * 64}"]
    for name in _PACKAGES:
        data = _deb(name)
        stanzas.append(
            f"Package: {name}\nVersion: 1\nArchitecture: amd64\nDepends: libc6\n"
            f"Filename: {name}.deb\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}"
        )
    index.add("\n\n".join(stanzas), "debian")
    return index


def _prepare_debian(root: Path) -> str:
    """Everything of a build without an engine, but for the signature of the index."""
    wanted = Requirement("debian-13", "amd64", "gcc14", project="capy")
    index, mirrors = _index(), Mirrors((f"file://{_mirror(root)}",), ())
    with mock.patch.multiple(debian_build, _index=lambda *_: index, find_mirrors=lambda: mirrors):
        build = debian_build.builder(lambda text: None)
        return prepare.prepare(root, wanted, build).found.entry.digest


def _layout(root: Path) -> Path:
    return root / "layouts" / "app"


def _with_layout(root: Path) -> None:
    """A layout whose tag moved, so that blobs are left that no tag leads to."""
    _images(root)
    for text, tags in (("old", ["latest"]), ("now", ["latest"]), ("none", [])):
        content, source = an_image(text)
        layouts.write(_layout(root), source, content, tags)


def _write_layout(root: Path) -> str:
    content, source = an_image("new")
    layouts.write(_layout(root), source, content, ["latest"])
    return ""


def _collect(root: Path) -> str:
    for directory in collect.directories(root):
        collect.collect(directory)
    return ""


def _tag_is(text: str) -> Callable[[Path, bool], Iterator[str]]:
    """The layout's tag leads to a whole image: that one once it is acknowledged."""

    def check(root: Path, acknowledged: bool) -> Iterator[str]:
        found = Layout(_layout(root))
        root_of = found.index().find("latest")
        wanted, before = _digest(text), _digest("now")
        if str(root_of.digest) not in ({wanted} if acknowledged else {wanted, before}):
            yield f"the tag leads to {root_of.digest}"
        try:
            for item, _ in walk(found, root_of):
                with found.open(item) as file:
                    if hashlib.sha256(file.read()).hexdigest() != item.digest.hex:
                        yield f"{item.digest} is not whole"
        except LadingError as error:
            yield f"the layout: {error}"

    return check


SCENARIOS = (
    Scenario("the first save", lambda root: None, _save, {_NAME: _digest("new")}),
    Scenario("save", _images, _save, {_NAME: _digest("new")}),
    Scenario("save by threads", _images, _by_threads, {_NAME: ANY}),
    Scenario("register", _loose, _register, {_NAME: _digest("old")}),
    Scenario("unregister", _images, _unregister, {_NAME: ""}),
    Scenario("prepare", _with_base, _prepare, {_BUILT: _digest("built")}),
    Scenario("prepare from packages", _with_debian, _prepare_debian, {"capy-debian-13-gcc14": ANY}),
    Scenario("cleanup", _full, _clean, {_NAME: ""}),
    Scenario("repair of a lost catalog", _lost, _repair, broken=True),
    Scenario("repair of a binary catalog", _binary, _repair, broken=True),
    Scenario("a push to a layout", _with_layout, _write_layout, check=_tag_is("new")),
    Scenario("collecting a layout", _with_layout, _collect, check=_tag_is("now")),
)
