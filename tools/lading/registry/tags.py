"""Tags of a repository (distribution-spec 1.1, "Listing tags")."""

from __future__ import annotations

import re

from lading.errors import CorruptError, InputError, LimitError
from lading.http import redirects
from lading.http.messages import Request, Response
from lading.oci import document
from lading.oci.reference import check_tag
from lading.registry import answers
from lading.registry.repository import Repository

__all__ = ["list_tags", "next_page"]

_LINK = re.compile(r'<([^<>]*)>\s*;[^,]*\brel\s*=\s*"?next"?', re.IGNORECASE)
_MAX_TAGS = 1_000_000
_MAX_PAGES = 20_000


def list_tags(repository: Repository) -> list[str]:
    """All tags, in the registry's order, over as many pages as it takes.

    Raises NotFoundError if there is no such repository.
    """
    doing = f"list the tags of {repository}"
    tags: list[str] = []
    target = f"/v2/{repository.name}/tags/list"
    seen = {target}
    while target:
        response = repository.session.send(
            repository.access(),
            Request("GET", repository.origin, target),
            doing=doing,
            limit=document.MAX_DOCUMENT_BYTES,
        )
        if response.status != 200:
            raise answers.failure(response, doing, registry=repository.registry)
        page = document.loads_object(
            response.read(document.MAX_DOCUMENT_BYTES), what=f"the list of tags of {repository}"
        )
        found = page.get("tags") or []
        if not isinstance(found, list) or not all(isinstance(tag, str) for tag in found):
            raise CorruptError(f"cannot {doing}: the answer has no list of tags")
        try:
            tags += [check_tag(tag) for tag in found]
        except InputError as error:
            raise CorruptError(f"cannot {doing}: {error.what}") from None
        if len(tags) > _MAX_TAGS:
            raise LimitError(f"{repository} has more than {_MAX_TAGS} tags")
        target = next_page(response, seen, doing)
        if len(seen) > _MAX_PAGES:
            raise LimitError(f"the tags of {repository} are more than {_MAX_PAGES} pages")
    return tags


def next_page(response: Response, seen: set[str], doing: str) -> str:
    """The target that a Link header names as the next page, or empty (RFC 8288).

    Args:
        response: a page.
        seen: targets of the pages so far, to which it is added.
        doing: the attempt, for errors.

    Raises UnreachableError if it leads to another origin, CorruptError if it was seen before.
    """
    for value in response.headers("Link"):
        if match := _LINK.search(value):
            target = redirects.same_origin(response.request, match[1], "the next page")
            if target in seen:
                raise CorruptError(f"cannot {doing}: its pages go round in a circle")
            seen.add(target)
            return target
    return ""
