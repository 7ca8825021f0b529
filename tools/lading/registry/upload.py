"""Uploading a blob (distribution-spec 1.1, "Pushing blobs"): one PUT, resumed if it breaks off.

A session is POSTed (or the blob mounted), the body goes in one PUT. After anything that leaves
the outcome open — a broken connection, a server error, a token that ran out — the registry is
asked what it has: the finished blob, or how much of the session; only the rest is sent again.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from urllib.parse import quote

from lading.errors import CorruptError, DeniedError, LadingError, UnreachableError
from lading.http import redirects
from lading.http.bodies import Body
from lading.http.limits import CHUNK
from lading.http.messages import Request, Response, TransportError
from lading.http.retry import RETRY_STATUSES, Attempts
from lading.oci.content import Content
from lading.oci.descriptor import Descriptor
from lading.registry import blobs
from lading.registry.progress import SILENT, Outcome, Progress
from lading.registry.repository import Repository
from lading.registry.source import Source

__all__ = ["upload"]

#: The specification knows one for a chunk and one for the end; registries have others.
_SUCCESS = frozenset({200, 201, 202, 204})
_RANGE = re.compile(r"(?:bytes=)?0-([0-9]{1,18})")


class _Session:
    """An upload session: where it goes on, what the registry has, the least chunk it takes."""

    __slots__ = ("least", "offset", "target")

    def __init__(self, target: str, offset: int = 0, least: int = 0) -> None:
        self.target = target
        self.offset = offset
        self.least = least


def upload(
    repository: Repository,
    descriptor: Descriptor,
    content: Content,
    *,
    mounts: Sequence[str] = (),
    chunk: int = 0,
    progress: Progress = SILENT,
) -> Outcome:
    """Brings a blob that is not there into a repository.

    Args:
        repository: where it goes.
        descriptor: the blob.
        content: where its bytes are.
        mounts: repositories of the same registry that may have it; the first is tried.
        chunk: bytes per PATCH for registries that limit a request; 0 sends one PUT.
        progress: is told about bytes as they leave.

    Raises:
        CorruptError: the bytes are not what the descriptor says.
        UnreachableError: the registry failed more often than is worth trying.
        DeniedError, LimitError, InputError: the registry refuses.
    """
    session = _start(repository, descriptor, mounts)
    if session is None:
        return "mounted"
    with Source(content, descriptor, progress) as source:
        return _Upload(repository, descriptor, source, chunk).run(session)


class _Upload:
    def __init__(
        self, repository: Repository, descriptor: Descriptor, source: Source, chunk: int
    ) -> None:
        self._repository = repository
        self._descriptor = descriptor
        self._source = source
        self._chunk = chunk
        self._attempts = Attempts(repository.session.budget)
        self._doing = f"push {descriptor.digest} to"
        #: The furthest that any session got; attempts are counted anew from there.
        self._mark = 0
        self._logins = 0
        self._resumed = self._doubted = False

    def run(self, session: _Session) -> Outcome:
        while True:
            answer: Response | None = None
            silent = False
            try:
                response, last = self._step(session)
            except TransportError as error:
                silent = error.silent
                trouble: LadingError = UnreachableError(
                    f"cannot {self._doing} {self._repository}: {error}"
                )
            except CorruptError:
                self._cancel(session)
                raise
            else:
                if last and response.status in _SUCCESS:
                    response.close()
                    self._check_digest(response)
                    return "sent"
                if not last and response.status in _SUCCESS:
                    response.close()
                    self._advance(session, response)
                    continue
                answer = response
                trouble = self._judge(response)
            if not self._attempts.again(trouble.what, answer=answer, silent=silent):
                raise trouble
            # What was lost may have been nothing but the answer.
            if blobs.exists(self._repository, self._descriptor):
                return "sent"
            session = self._resume(session)

    def _step(self, session: _Session) -> tuple[Response, bool]:
        """Sends the next request; also returns whether it completes the upload."""
        size = self._descriptor.size
        least = max(self._chunk, session.least) if self._chunk else size
        if session.offset == 0 and least >= size:
            return self._send("PUT", session, self._source.body(0, size), {}), True
        if session.offset == size:
            return self._send("PUT", session, b"", {}), True
        end = min(session.offset + least, size)
        body = self._source.body(session.offset, end - session.offset)
        headers = {"Content-Range": f"{session.offset}-{end - 1}"}
        return self._send("PATCH", session, body, headers), False

    def _send(
        self, method: str, session: _Session, body: Body, headers: dict[str, str]
    ) -> Response:
        target = session.target
        settles = 0 if isinstance(body, bytes) else body.size
        if method == "PUT":
            # Of all of it the digest is taken now, and it goes where it is to stay.
            settles = self._descriptor.size
            digest = quote(str(self._descriptor.digest), safe="")
            target += f"{'&' if '?' in target else '?'}digest={digest}"
        return self._repository.session.send_once(
            self._repository.access("pull,push"),
            Request(
                method,
                self._repository.origin,
                target,
                {"Content-Type": "application/octet-stream", **headers},
                body,
                settles=settles,
            ),
        )

    def _advance(self, session: _Session, response: Response) -> None:
        """Moves on after a chunk, to where the registry says that it is."""
        before, expected = session.offset, self._source.position
        told = _offset(response)
        session.target = _location(response, session.target)
        session.offset = expected if told is None or told > expected else told
        if session.offset > self._mark:
            self._mark = session.offset
            self._attempts.progress()
        elif session.offset <= before:
            trouble = (
                f"cannot {self._doing} {self._repository}: it takes chunks without keeping them"
            )
            if not self._attempts.again(trouble):
                raise UnreachableError(trouble)

    def _judge(self, response: Response) -> LadingError:
        """The error to raise when attempts run out; raised at once if none can help."""
        status = response.status
        trouble = self._repository.failure(response, self._doing)
        if status in redirects.REDIRECTS:
            raise redirects.not_followed(response.request)
        if status in RETRY_STATUSES or status == 416:
            return trouble
        if status == 404:
            # The session is gone, as after a restart or a time-out on the other side.
            return trouble
        if status == 401 and self._logins < 3:
            self._logins += 1
            return trouble
        if isinstance(trouble, CorruptError):
            self._source.verify()
            if self._resumed or not self._doubted:
                # What it kept of a broken session was not what was sent, or not all arrived whole.
                self._resumed, self._doubted = False, True
                return trouble
        raise trouble

    def _resume(self, session: _Session) -> _Session:
        """Asks how much the registry has; starts over where it does not say."""
        doing = f"resume {self._descriptor.digest} in"
        repository = self._repository
        response = repository.session.send(
            repository.access("pull,push"),
            Request("GET", repository.origin, session.target),
            doing=f"{doing} {repository}",
        )
        response.close()
        offset = _offset(response) if response.status in (200, 202, 204) else None
        # 0-0 is what registries say for nothing and for one byte alike.
        if offset is not None and 1 < offset <= min(self._source.sent, self._descriptor.size):
            if offset - self._mark >= CHUNK:
                self._mark = offset
                self._attempts.progress()
            self._resumed = True
            return _Session(_location(response, session.target), offset, session.least)
        fresh = _start(repository, self._descriptor, ())
        assert fresh is not None
        return fresh

    def _check_digest(self, response: Response) -> None:
        stored = response.header("Docker-Content-Digest")
        algorithm = f"{self._descriptor.digest.algorithm}:"
        if stored.startswith(algorithm) and stored != str(self._descriptor.digest):
            raise CorruptError(
                f"{self._repository} stored {stored:.80} instead of {self._descriptor.digest}"
            )

    def _cancel(self, session: _Session) -> None:
        """Lets the registry forget the session, if it likes."""
        request = Request("DELETE", self._repository.origin, session.target)
        try:
            self._repository.session.send_once(
                self._repository.access("pull,push"), request
            ).close()
        except (LadingError, TransportError):
            return


def _start(
    repository: Repository, descriptor: Descriptor, mounts: Sequence[str]
) -> _Session | None:
    """Opens a session; None if the registry mounted the blob from another repository."""
    doing = f"push {descriptor.digest} to"
    source = next((name for name in mounts if name != repository.name), "")
    if source:
        # Not allowed to read there, as the registry or the token server says, or mounts are not
        # known here: it is sent instead.
        with contextlib.suppress(DeniedError, UnreachableError):
            response = repository.request(
                "POST",
                f"blobs/uploads/?mount={quote(str(descriptor.digest), safe='')}"
                f"&from={quote(source, safe='')}",
                doing=doing,
                access=repository.access("pull,push", also=[source]),
            )
            if response.status == 201:
                response.close()
                return None
            if response.status == 202:
                return _session(repository, response)
            response.close()
    response = repository.request("POST", "blobs/uploads/", doing=doing)
    if response.status != 202:
        raise repository.failure(response, doing)
    return _session(repository, response)


def _session(repository: Repository, response: Response) -> _Session:
    response.close()
    least = response.header("OCI-Chunk-Min-Length")
    return _Session(
        _location(response, ""),
        least=int(least) if least.isascii() and least.isdigit() and len(least) < 12 else 0,
    )


def _location(response: Response, before: str) -> str:
    text = response.header("Location")
    if not text and before:
        return before
    return redirects.same_origin(response.request, text, "the place of an upload")


def _offset(response: Response) -> int | None:
    match = _RANGE.fullmatch(response.header("Range"))
    return int(match[1]) + 1 if match else None
