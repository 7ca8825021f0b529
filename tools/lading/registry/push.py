"""Pushing images: blobs, manifests, indexes, and the tags last.

What is there already is not sent: an unchanged image costs one request per tag, a tag that is new
one more (docs/push.md). Destinations of one run share their work: a blob is uploaded to a registry
once and mounted everywhere else.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence

from lading.errors import ConflictError, NotFoundError
from lading.http.origin import Origin
from lading.oci.content import Content, read_document, walk
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.record import record, replace
from lading.registry import blobs, manifests, referrers
from lading.registry.looking import Seen, look, look_again
from lading.registry.memory import NOTHING, Memory
from lading.registry.policy import ANY_TAG, TagPolicy
from lading.registry.progress import SILENT, Outcome, Progress
from lading.registry.repository import Repository
from lading.registry.threads import Threads

__all__ = ["Job", "Pushed", "Pusher"]

_BLOBS = 4
_IMAGES = 8


@record
class Job:
    """One image for one repository.

    Attributes:
        root: its manifest or index.
        content: where its bytes are.
        repository: where it goes.
        tags: names to give it there; without any it is pushed by digest.
        mounts: repositories of the same registry that may have parts of it.
        policy: which tags may be set, and moved.
        fresh: those of `tags` that hardly exist yet, such as a commit's; a guess.
    """

    root: Descriptor
    content: Content
    repository: Repository
    tags: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    policy: TagPolicy = ANY_TAG
    fresh: frozenset[str] = frozenset()


@record
class Pushed:
    """What became of a job. Counts are of blobs and manifests; `moved` lists tags that were set."""

    job: Job
    moved: tuple[str, ...] = ()
    sent: int = 0
    sent_bytes: int = 0
    mounted: int = 0
    existing: int = 0

    @property
    def changed(self) -> bool:
        """Whether anything was sent at all."""
        return bool(self.moved or self.sent or self.mounted)


class _Known:
    """What is known about one blob in one registry."""

    __slots__ = ("lock", "repositories")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.repositories: list[str] = []


class Pusher:
    """Runs jobs; everything that one of them learns helps the others.

    Args:
        progress: is told about every blob.
        chunk: bytes per PATCH, or 0 for one PUT per blob.
        dry_run: look, but send nothing.
        memory: what earlier runs set, which decides what is asked first.

    Attributes:
        finished: jobs that were done, in the order of their ends, whatever became of the others.
    """

    def __init__(
        self,
        *,
        progress: Progress = SILENT,
        chunk: int = 0,
        dry_run: bool = False,
        memory: Memory = NOTHING,
    ) -> None:
        self._progress = progress
        self._chunk = chunk
        self._dry_run = dry_run
        self._memory = memory
        self.finished: list[Job] = []
        self._lock = threading.Lock()
        self._known: defaultdict[tuple[Origin, Digest], _Known] = defaultdict(_Known)

    def run(self, jobs: Sequence[Job]) -> list[Pushed]:
        """Pushes every job; the results are in the order of the jobs.

        The first failure ends the run after what is under way; tags that moved stay moved, each
        to a complete image. Raises ConflictError before anything is sent if two images are to
        have the same tag, or one may not be set.
        """
        _check_tags(jobs)
        for job in jobs:
            job.policy.check(job.tags, job.repository)
        with Threads(_BLOBS) as pool:
            if len(jobs) == 1:
                return [self._push(self._look(jobs[0]), pool)]
            with Threads(_IMAGES) as images:
                found = images.each(self._look, jobs)
                return images.each(lambda seen: self._push(seen, pool), found)

    def _push(self, seen: Seen, pool: Threads) -> Pushed:
        if self._dry_run:
            return self._plan(seen)
        pushed = self._send(seen, pool)
        self._memory.note(seen.job.repository, seen.job.root.digest, seen.job.tags)
        self.finished.append(seen.job)
        return pushed

    def _look(self, job: Job) -> Seen:
        return look(job, self._memory, dry_run=self._dry_run)

    def _send(self, seen: Seen, pool: Threads) -> Pushed:
        job, missing = seen.job, seen.missing
        if seen.known:
            needed = missing or not seen.finished
            data = read_document(job.content, job.root) if needed else b""
            look_again(seen)
            self._tag(job, missing, data)
            if data and not missing and _refers(job.root, data):
                # A push that was interrupted may not have come to noting what it refers to.
                self._put(job, job.root, data)
            return Pushed(job, missing, existing=1)
        pushed, data = self._parts(job, pool)
        look_again(seen)
        if not missing:
            self._put(job, job.root, data)
        self._tag(job, missing, data)
        return replace(pushed, moved=missing)

    def _put(self, job: Job, descriptor: Descriptor, data: bytes) -> None:
        answer = manifests.put(job.repository, descriptor.digest, descriptor, data)
        referrers.record(job.repository, descriptor, data, answer)

    def _tag(self, job: Job, tags: Sequence[str], data: bytes) -> None:
        for number, tag in enumerate(tags):
            answer = manifests.put(job.repository, tag, job.root, data)
            if number == 0:
                referrers.record(job.repository, job.root, data, answer)

    def _parts(self, job: Job, pool: Threads) -> tuple[Pushed, bytes]:
        """Sends everything below the root; returns the counts and the root's bytes."""
        parts = list(walk(job.content, job.root))
        data = parts[-1][1]
        assert data is not None
        leaves = [descriptor for descriptor, document in parts if document is None]
        # The largest first: begun last, it would be under way alone for a while.
        leaves.sort(key=lambda leaf: leaf.size, reverse=True)
        outcomes = pool.each(lambda leaf: self._blob(job, leaf), leaves)
        sizes = [size for outcome, size in outcomes if outcome == "sent"]
        for descriptor, document in parts[:-1]:
            if document is not None:
                there = manifests.head(job.repository, descriptor.digest, push=True, blind=True)
                if there is not None and not _refers(descriptor, document):
                    outcomes.append(("exists", descriptor.size))
                    continue
                self._put(job, descriptor, document)
                sizes.append(descriptor.size)
        sizes.append(job.root.size)
        return Pushed(
            job,
            sent=len(sizes),
            sent_bytes=sum(sizes),
            mounted=sum(outcome == "mounted" for outcome, _ in outcomes),
            existing=sum(outcome == "exists" for outcome, _ in outcomes),
        ), data

    def _blob(self, job: Job, descriptor: Descriptor) -> tuple[Outcome, int]:
        from lading.registry.upload import upload

        repository = job.repository
        with self._lock:
            known = self._known[repository.origin, descriptor.digest]
        # Whoever needs the same blob elsewhere in this registry waits, and mounts it then.
        with known.lock:
            self._progress.begin(descriptor)
            if repository.name in known.repositories or blobs.exists(repository, descriptor):
                outcome: Outcome = "exists"
            else:
                outcome = upload(
                    repository,
                    descriptor,
                    job.content,
                    mounts=[*known.repositories[:1], *job.mounts],
                    chunk=self._chunk,
                    progress=self._progress,
                )
            if repository.name not in known.repositories:
                known.repositories.append(repository.name)
            self._progress.end(descriptor, outcome)
        return outcome, descriptor.size

    def _plan(self, seen: Seen) -> Pushed:
        """What a push would do, as far as asking tells."""
        job, missing = seen.job, seen.missing
        if seen.known:
            return Pushed(job, missing, existing=1)
        sent, existing, size = 0, 0, 0
        for descriptor, data in walk(job.content, job.root):
            if data is None and blobs.exists(job.repository, descriptor):
                existing += 1
                continue
            if data is None and job.content.path(descriptor) is None:
                try:
                    job.content.open(descriptor).close()
                except NotFoundError as error:
                    raise NotFoundError(
                        f"{error.what}, and {job.repository} has it neither"
                    ) from None
            sent += 1
            size += descriptor.size
        return Pushed(job, missing, sent=sent, sent_bytes=size, existing=existing)


def _refers(descriptor: Descriptor, data: bytes) -> bool:
    return referrers.subject_of(data, what=str(descriptor.digest)) is not None


def _check_tags(jobs: Sequence[Job]) -> None:
    """Jobs run side by side: which of two images got a tag would be chance."""
    named: dict[tuple[Origin, str, str], Digest] = {}
    for job in jobs:
        repository, digest = job.repository, job.root.digest
        for tag in job.tags:
            other = named.setdefault((repository.origin, repository.name, tag), digest)
            if other != digest:
                raise ConflictError(
                    f"{repository}:{tag} cannot name both {other} and {digest}",
                    fix="give each image a tag or a repository of its own",
                )
