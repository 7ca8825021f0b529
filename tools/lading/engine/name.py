"""What an image is called in an engine: `[registry/]repository:tag`."""

from __future__ import annotations

from lading.errors import InputError
from lading.oci.reference import Reference, check_repository, check_tag

__all__ = ["image_name", "is_whole", "split"]


def image_name(text: str) -> str:
    """`text` with `:latest` when it has no tag; raises InputError unless an engine takes it.

    Unlike a reference for a registry, it need not name one: `app:dev` stays as it is.
    """
    repository, tag = split(text)
    return f"{repository}:{tag}"


def split(text: str) -> tuple[str, str]:
    """The repository and the tag of a name; `latest` is the tag of a name without one."""
    if "@" in text:
        raise InputError(
            f"{text!r:.160} has a digest", fix="an image is loaded under a name and a tag: app:dev"
        )
    head, slash, last = text.rpartition("/")
    repository, colon, tag = last.partition(":")
    repository = head + slash + repository
    if colon and not tag:
        raise InputError(f"{text!r:.160} has an empty tag")
    tag = check_tag(tag or "latest")
    registry = repository.partition("/")[0]
    if "/" in repository and ("." in registry or ":" in registry or registry == "localhost"):
        Reference(registry, repository.partition("/")[2], tag)
    else:
        check_repository(repository)
    return repository, tag


def is_whole(tag: str, repository: str) -> bool:
    """Whether a tag of an image to load is a name by itself, and no tag of `repository`."""
    return not repository or "/" in tag or ":" in tag
