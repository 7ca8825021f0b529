"""The jobs of one push: the image, and what goes to the same repository with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lading.commands.deploy import Deploy
from lading.oci.content import Content
from lading.record import replace
from lading.registry.policy import ANY_TAG, TagPolicy
from lading.registry.push import Job, Pushed
from lading.registry.repository import Repository

__all__ = ["counts", "jobs_of", "references", "total"]


def jobs_of(
    image: Deploy,
    content: Content,
    target: Repository,
    *,
    tags: Sequence[str] | None = None,
    mounts: Iterable[str] = (),
    policy: TagPolicy = ANY_TAG,
) -> list[Job]:
    """The image first, then manifests of it with tags of their own, and referrers.

    Args:
        image: what is pushed.
        content: where its bytes are, and those of its companions.
        target: where it goes.
        tags: names for the image, in place of its own.
        mounts: repositories of the same registry that may have parts of it, beside those that
            the image knows of.
        policy: which tags may be set, and moved.
    """
    session = target.session
    sources = [session.repository(item.registry, item.repository) for item in image.sources]
    known = [item.name for item in sources if item.origin == target.origin]
    first = Job(
        image.root,
        content,
        target,
        tuple(image.tags if tags is None else tags),
        tuple(dict.fromkeys([*mounts, *image.mounts, *known])),
        policy,
        image.fresh,
    )
    more = [replace(first, root=item.root, tags=item.tags) for item in image.companions]
    return [first, *more]


def references(jobs: Sequence[Job]) -> list[str]:
    """What a user can pull: one for each tag, by digest for an image without one."""
    found = [f"{job.repository}:{tag}@{job.root.digest}" for job in jobs for tag in job.tags]
    first = jobs[0]
    return found if first.tags else [f"{first.repository}@{first.root.digest}", *found]


def counts(pushed: Pushed) -> dict[str, Any]:
    """What became of a push, in the words of --json."""
    return {
        "sent": pushed.sent,
        "sentBytes": pushed.sent_bytes,
        "mounted": pushed.mounted,
        "existing": pushed.existing,
        "movedTags": list(pushed.moved),
    }


def total(results: Sequence[Pushed]) -> Pushed:
    """The results of an image's jobs as one."""
    return Pushed(
        results[0].job,
        tuple(tag for result in results for tag in result.moved),
        sum(result.sent for result in results),
        sum(result.sent_bytes for result in results),
        sum(result.mounted for result in results),
        sum(result.existing for result in results),
    )
