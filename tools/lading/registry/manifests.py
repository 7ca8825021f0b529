"""Manifests and indexes by tag or digest (distribution-spec 1.1, "Pull" and "Push")."""

from __future__ import annotations

from lading.errors import CorruptError, InputError, LadingError, NotFoundError
from lading.http.messages import Response
from lading.http.retry import Attempts
from lading.oci import document, media_types
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.registry.repository import Repository

__all__ = ["delete", "get", "head", "put"]

_TYPES = (
    media_types.INDEX,
    media_types.MANIFEST,
    media_types.DOCKER_INDEX,
    media_types.DOCKER_MANIFEST,
)
_ACCEPT = ", ".join(_TYPES)
_KNOWN = frozenset(_TYPES)
#: What registries say of a tag that is there, and immutable.
_SET = frozenset({400, 403, 409, 412})


def head(
    repository: Repository, reference: str | Digest, *, push: bool = False, blind: bool = False
) -> Digest | None:
    """The digest of what `reference` names, or None if it is not there.

    One request, unless the registry leaves out Docker-Content-Digest, or has no HEAD: then the
    manifest itself is fetched and hashed.

    Args:
        repository: where to look.
        reference: a tag or digest.
        push: ask with the rights that a push goes on to need, which saves a second token.
        blind: None as well for a login that may write and not look.
    """
    doing = f"look for {reference} in"
    response = repository.request(
        "HEAD",
        f"manifests/{reference}",
        doing=doing,
        access=repository.access("pull,push" if push else "pull"),
        headers={"Accept": _ACCEPT},
    )
    if response.status == 404 or (blind and response.status == 403):
        response.close()
        return None
    if response.status not in (200, 405, 501):
        raise repository.failure(response, doing)
    response.close()
    if found := _stated(response, f"the manifest {reference} of {repository}"):
        if isinstance(reference, Digest) and found != reference:
            raise CorruptError(f"{repository} has {found} under the digest {reference}")
        return found
    try:
        return get(repository, reference)[0].digest
    except NotFoundError:
        return None


def get(repository: Repository, reference: str | Digest) -> tuple[Descriptor, bytes]:
    """Fetches a manifest or index; its bytes are verified as far as anything is known of them.

    Raises:
        NotFoundError: there is nothing under that name.
        CorruptError: wrong digest, or the header and the body disagree about the media type.
        LimitError: more than 4 MiB.
    """
    doing = f"fetch the manifest {reference} from"
    response = repository.request(
        "GET",
        f"manifests/{reference}",
        doing=doing,
        headers={"Accept": _ACCEPT},
        limit=document.MAX_DOCUMENT_BYTES,
    )
    if response.status != 200:
        raise repository.failure(response, doing)
    data = response.read(document.MAX_DOCUMENT_BYTES)
    media_type = response.header("Content-Type").partition(";")[0].strip().lower()
    what = f"the manifest {reference} of {repository}"
    digest = reference if isinstance(reference, Digest) else _stated(response, what)
    if digest is None:
        digest = Digest.of(data)
    if Digest.of(data, digest.algorithm) != digest:
        raise CorruptError(f"{what} does not match its digest {digest}")
    if media_type not in _KNOWN:
        raise CorruptError(f"{what} has the media type {media_type!r:.80}, which is no manifest's")
    claimed = document.loads_object(data, what=what).get("mediaType", media_type)
    if claimed != media_type:
        raise CorruptError(f"{what} is sent as {media_type} but says {claimed!r:.80}")
    return Descriptor(media_type, digest, len(data)), data


def put(
    repository: Repository, reference: str | Digest, descriptor: Descriptor, data: bytes
) -> Response:
    """Uploads `data` under a tag or its digest; returns the answer, closed.

    Sending it twice is harmless, so a lost answer is met with another attempt, and so, once, is
    the word that it is damaged: docker-registry says so when it reads what another push is writing.
    A tag that must not be set again, and names this manifest, is set.
    Raises CorruptError if the registry sticks to that, or says that it stored something else.
    """
    doing = f"push the manifest {reference} to"
    attempts = Attempts(repository.session.budget)
    for first in (True, False):
        response = repository.request(
            "PUT",
            f"manifests/{reference}",
            doing=doing,
            headers={"Content-Type": descriptor.media_type},
            body=data,
        )
        if response.status in (200, 201, 202, 204):
            break
        trouble = repository.failure(response, doing)
        if response.status in _SET and _is_there(repository, reference, descriptor.digest):
            return response
        if not (first and isinstance(trouble, CorruptError) and attempts.again(trouble.what)):
            raise trouble
    response.close()
    stored = response.header("Docker-Content-Digest")
    if stored and stored != str(descriptor.digest) and descriptor.digest.algorithm == "sha256":
        raise CorruptError(
            f"{repository} stored {stored:.80} instead of the manifest {descriptor.digest}"
        )
    return response


def _is_there(repository: Repository, reference: str | Digest, digest: Digest) -> bool:
    """Whether a refusal came too late: the answer to an earlier attempt was lost."""
    try:
        return head(repository, reference, push=True) == digest
    except LadingError:
        return False


def delete(repository: Repository, reference: str | Digest) -> bool:
    """Deletes a tag, or a manifest with its tags; returns whether it was there.

    Raises InputError where the registry does not allow it.
    """
    doing = f"delete {reference} from"
    response = repository.request(
        "DELETE",
        f"manifests/{reference}",
        doing=doing,
        access=repository.access("pull,push,delete"),
    )
    if response.status == 404:
        response.close()
        return False
    if response.status in (400, 405) and not isinstance(reference, Digest):
        response.close()
        raise InputError(
            f"{repository} does not delete tags by their name: it says {response.status}",
            fix=f"delete {repository}@sha256:…, and every tag of that manifest with it",
        )
    if response.status not in (200, 202, 204):
        raise repository.failure(response, doing)
    response.close()
    return True


def _stated(response: Response, what: str) -> Digest | None:
    """The digest that an answer claims to carry, if it claims one."""
    text = response.header("Docker-Content-Digest")
    return Digest.from_json(text, what=what) if text else None
