"""Which tags may be set, and which may ever name something else (S2.8)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from lading.errors import ConflictError
from lading.oci.digest import Digest
from lading.record import record

if TYPE_CHECKING:
    from lading.registry.repository import Repository

__all__ = ["ANY_TAG", "TagPolicy", "content_tag"]

_CONTENT = re.compile(r"sha256-[0-9a-f]{64}")


def content_tag(digest: Digest) -> str:
    """The tag `sha256-<hex>` that names an image by its content."""
    return f"{digest.algorithm}-{digest.hex}"[:128]


@record
class TagPolicy:
    """Patterns are shell patterns: `v*`, `*`.

    Attributes:
        allowed: a tag has to match one of these.
        mutable: a tag that matches one of these may move; any other is set once. A content tag
            `sha256-<hex>` never moves.
        why: names the policy in errors.
    """

    allowed: tuple[str, ...] = ("*",)
    mutable: tuple[str, ...] = ("*",)
    why: str = "the tag policy"

    def check(self, tags: Iterable[str], repository: Repository) -> None:
        """Raises ConflictError for a tag that may not be set at all."""
        for tag in tags:
            if not _matches(tag, self.allowed):
                raise ConflictError(
                    f"{repository} may not get the tag {tag}: {self.why} does not allow it",
                    fix=f"allowed: {', '.join(self.allowed) or 'none'}",
                )

    def is_mutable(self, tag: str) -> bool:
        """Whether `tag` may be set whatever it names now."""
        return not _CONTENT.fullmatch(tag) and _matches(tag, self.mutable)

    def is_set_once(self, tag: str) -> bool:
        """Whether `tag` keeps the image that it names first, whichever that is."""
        return not _CONTENT.fullmatch(tag) and not _matches(tag, self.mutable)

    def check_move(
        self, tag: str, there: Digest | None, wanted: Digest, repository: Repository
    ) -> None:
        """Raises ConflictError if setting `tag` would move it and it must not.

        Args:
            tag: the tag.
            there: what it names now, None for nothing.
            wanted: what it shall name.
            repository: where.
        """
        if there is None or there == wanted:
            return
        if not self.is_mutable(tag):
            raise ConflictError(
                f"{repository}:{tag} is immutable and names {there}",
                fix=f"choose another tag; {self.why} lets only these move:"
                f" {', '.join(self.mutable) or 'none'}",
            )


ANY_TAG = TagPolicy()


def _matches(tag: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(tag, pattern) for pattern in patterns)
