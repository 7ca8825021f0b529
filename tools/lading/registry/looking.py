"""What a registry has of an image that is to be pushed: asked first, so that little is sent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lading.record import record
from lading.registry import manifests
from lading.registry.memory import Memory
from lading.registry.policy import content_tag

if TYPE_CHECKING:
    from lading.registry.push import Job

__all__ = ["Seen", "look", "look_again"]

#: Seconds for which what a tag names may be taken for known, when it must not move.
_FRESH = 0.5


@record
class Seen:
    """What was there of a job, and when: the tags that have to be set, and the image itself.

    `finished` says that an earlier run has pushed it to the end.
    """

    job: Job
    missing: tuple[str, ...]
    known: bool
    finished: bool
    at: float


def look(job: Job, memory: Memory, *, dry_run: bool) -> Seen:
    """What is there already.

    A tag that the image probably does not have is not asked for where it may be set without
    asking: then the image's digest tells more.

    Args:
        job: what is to be pushed.
        memory: what earlier runs set.
        dry_run: ask for everything, and only with the rights to read.

    Raises ConflictError for a tag that must not move and would.
    """
    repository, root, push = job.repository, job.root, not dry_run
    before = None if dry_run else memory.tags(repository, root.digest)
    new = job.fresh if before is None else frozenset(job.tags) - before
    known = False
    missing: list[str] = []
    for tag in job.tags:
        if push and tag in new and job.policy.is_mutable(tag):
            missing.append(tag)
            continue
        blind = push and (job.policy.is_mutable(tag) or tag == content_tag(root.digest))
        there = manifests.head(repository, tag, push=push, blind=blind)
        if there == root.digest:
            known = True
        else:
            job.policy.check_move(tag, there, root.digest, repository)
            missing.append(tag)
    if not known:
        known = manifests.head(repository, root.digest, push=push, blind=push) is not None
    return Seen(job, tuple(missing), known, before is not None, time.monotonic())


def look_again(seen: Seen) -> None:
    """While all was sent, another push may have set a tag that is not to move.

    Raises ConflictError for one that has been set.
    """
    if time.monotonic() - seen.at < _FRESH:
        return
    job = seen.job
    for tag in seen.missing:
        if job.policy.is_set_once(tag):
            there = manifests.head(job.repository, tag, push=True)
            job.policy.check_move(tag, there, job.root.digest, job.repository)
