"""An image by whatever names it: a layout, an archive, or a reference to a registry."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lading.commands.entry import here
from lading.errors import ConflictError, InputError, NotFoundError
from lading.oci import layout
from lading.oci.content import Content
from lading.oci.descriptor import Descriptor
from lading.store.archive import Archive
from lading.store.layout_directory import Layout

if TYPE_CHECKING:
    from lading.oci.reference import Reference
    from lading.registry.repository import Repository
    from lading.registry.session import Session

__all__ = ["Found", "in_registry", "layout_words", "opened"]

_LAYOUT = "oci:"


@dataclass(frozen=True, slots=True)
class Found:
    """An image and where its bytes are; `repository` when that is a registry's."""

    content: Content
    root: Descriptor
    repository: Repository | None = None


def layout_words(name: str) -> tuple[str, str] | None:
    """Directory and tag, which may be empty, of `oci:DIRECTORY[:TAG]`; None for any other name."""
    if not name.startswith(_LAYOUT):
        return None
    directory, _, tag = name.removeprefix(_LAYOUT).partition(":")
    if not directory:
        raise InputError(f"{name!r:.160} names no directory", fix="write oci:DIRECTORY[:TAG]")
    return directory, tag


@contextlib.contextmanager
def opened(name: str, connect: Callable[[], Session]) -> Iterator[Found]:
    """Opens the image called `name`, for the time of a block.

    Args:
        name: oci:DIRECTORY[:TAG], a directory, an archive, or REGISTRY/REPOSITORY[:TAG][@DIGEST].
        connect: makes the session, if one is needed.

    Raises:
        NotFoundError: there is nothing of that name.
        ConflictError: a layout holds several images, and no tag says which.
        InputError: it is no file, and no reference either; or a layout without a directory.
        CorruptError, UnreachableError, DeniedError: it cannot be read.
    """
    path = here(name)
    words = layout_words(name)
    if words or path.is_dir():
        directory, tag = words or (name, "")
        found = Layout(here(directory))
        yield Found(found, _root(found, directory, tag))
    elif path.exists() or name.endswith(".tar") or name.startswith(("/", ".")):
        with Archive(path) as archive:
            yield Found(archive, archive.root)
    else:
        from lading.registry import manifests
        from lading.registry.content import RegistryContent

        reference = in_registry(name)
        with contextlib.closing(connect()) as session:
            repository = session.repository(reference.registry, reference.repository)
            named = reference.digest or reference.tag or "latest"
            root, _ = manifests.get(repository, named)
            yield Found(RegistryContent(repository), root, repository)


def in_registry(name: str) -> Reference:
    """What `name`, which is no path, refers to; raises InputError, where it is no reference."""
    from lading.oci.reference import Reference

    try:
        return Reference.parse(name)
    except InputError as error:
        raise InputError(
            f"there is no {name:.160}, and in a registry it cannot be: {error.what}",
            fix="write a path, oci:DIRECTORY[:TAG], or an image such as localhost:5000/app:v1",
        ) from None


def _root(found: Layout, directory: str, tag: str) -> Descriptor:
    manifests = found.index().manifests
    if not manifests:
        raise NotFoundError(f"{directory} holds no image")
    roots = [one for one in manifests if not tag or one.annotations.get(layout.REF_NAME) == tag]
    distinct = {one.digest: one for one in roots}
    if not distinct:
        raise NotFoundError(
            f"{directory} has no tag {tag!r:.160}", fix=f"it has {layout.tag_names(manifests)}"
        )
    if len(distinct) > 1:
        raise ConflictError(
            f"{directory} holds {len(distinct)} images: {layout.tag_names(roots)}",
            fix="say which: oci:DIRECTORY:TAG",
        )
    root = next(iter(distinct.values()))
    # The annotations of the entry are the layout's; what is copied is the image.
    return Descriptor(root.media_type, root.digest, root.size, platform=root.platform)
