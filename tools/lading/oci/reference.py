"""Names of images in registries (distribution-spec 1.1, "Pulling manifests")."""

from __future__ import annotations

import re

from lading.errors import InputError
from lading.oci.digest import Digest
from lading.record import record

__all__ = ["MAX_NAME", "Reference", "check_repository", "check_tag", "split_registry"]

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_HOST = re.compile(
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*"
    r"|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?"
)
#: Longest `host/repository` that common registries accept, in characters.
MAX_NAME = 255


def check_repository(text: str) -> str:
    """Returns `text` if it is a repository name; raises InputError."""
    if not _REPOSITORY.fullmatch(text):
        raise InputError(
            f"{text!r:.120} is not a repository name",
            fix="use lowercase letters and digits, separated by one of . _ __ - and by /",
        )
    return text


def check_tag(text: str) -> str:
    """Returns `text` if it is a tag; raises InputError."""
    if not _TAG.fullmatch(text):
        raise InputError(
            f"{text!r:.160} is not a tag",
            fix="use at most 128 letters, digits, _ . and -, not starting with . or -",
        )
    return text


def split_registry(text: str) -> tuple[str, str]:
    """Registry and repository of `registry/repository`; the registry is empty where none is named.

    The first of several components is a registry if no component of a repository is wont to look
    so: with a `.` or `:`, or `localhost`.
    """
    registry, slash, repository = text.partition("/")
    if slash and ("." in registry or ":" in registry or registry == "localhost"):
        return registry, repository
    return "", text


@record
class Reference:
    """`registry/repository[:tag][@digest]`; registry is `host[:port]` as the user wrote it."""

    registry: str
    repository: str
    tag: str = ""
    digest: Digest | None = None

    def __post_init__(self) -> None:
        if not _HOST.fullmatch(self.registry):
            raise InputError(
                f"{self.registry!r:.120} is not a registry", fix="write host or host:port"
            )
        check_repository(self.repository)
        if len(self.registry) + 1 + len(self.repository) > MAX_NAME:
            raise InputError(f"{self.name:.80}… is longer than {MAX_NAME} characters")
        if self.tag:
            check_tag(self.tag)

    @property
    def name(self) -> str:
        """`registry/repository`."""
        return f"{self.registry}/{self.repository}"

    @staticmethod
    def parse(text: str) -> Reference:
        """Reads a reference whose first component is a registry.

        There is no default registry: `ubuntu:24.04` is refused, because guessing a host is how
        a build comes to depend on something nobody named. Raises InputError.
        """
        rest, at, digest = text.partition("@")
        slash = rest.find("/")
        colon = rest.rfind(":")
        tag = ""
        if colon > slash:
            rest, tag = rest[:colon], rest[colon + 1 :]
            if not tag:
                raise InputError(f"{text!r:.160} has an empty tag")
        registry, repository = split_registry(rest)
        if not registry:
            host = "/" not in rest and ("." in rest or rest == "localhost")
            raise InputError(
                f"{text!r:.160} names no {'repository' if host else 'registry'}",
                fix="write registry/repository[:tag][@digest]: localhost:5000/app:latest",
            )
        return Reference(registry, repository, tag, Digest.parse(digest) if at else None)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.name}{tag}" + (f"@{self.digest}" if self.digest else "")
