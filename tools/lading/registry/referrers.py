"""Referrers: what refers to a manifest by `subject` (distribution-spec 1.1, "Listing Referrers").

Registries without the API get an index under the tag `sha256-<hex>` of the subject, which
clients keep up to date themselves ("Referrers Tag Schema").
"""

from __future__ import annotations

from urllib.parse import quote

from lading.errors import ConflictError, CorruptError, LimitError, NotFoundError
from lading.http.messages import Request, Response
from lading.oci import document, media_types
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.record import replace
from lading.registry import answers, manifests
from lading.registry.policy import content_tag
from lading.registry.repository import Repository
from lading.registry.tags import next_page

__all__ = ["list_referrers", "record", "subject_of"]

_MAX_PAGES = 1000
_MAX_REFERRERS = 100_000
_ROUNDS = 5
#: What registries without the API answer; the specification knows 404 alone.
_NO_API = frozenset({404, 405, 406, 501})


def subject_of(data: bytes, *, what: str) -> Descriptor | None:
    """The `subject` of a manifest or index; raises CorruptError if it is malformed."""
    value = document.loads_object(data, what=what).get("subject")
    return None if value is None else Descriptor.from_json(value, what=f"{what}, subject")


def list_referrers(
    repository: Repository, subject: Digest, *, artifact_type: str = ""
) -> list[Descriptor]:
    """Descriptors of everything that refers to `subject`, whether or not that exists.

    Args:
        repository: where to look.
        subject: the manifest referred to.
        artifact_type: only those of this type, if given.
    """
    found = _from_api(repository, subject, artifact_type)
    if found is None:
        try:
            found = _from_tag(repository, subject)
        except ConflictError:
            # The tag has another use, so nothing can have been noted there.
            found = []
    return [item for item in found if not artifact_type or item.artifact_type == artifact_type]


def record(repository: Repository, descriptor: Descriptor, data: bytes, answer: Response) -> None:
    """Makes a pushed manifest findable from its subject.

    Args:
        repository: where it was pushed.
        descriptor: the manifest.
        data: its bytes.
        answer: the registry's to the push; `OCI-Subject` says that it has taken note itself.

    Raises ConflictError if others change the fallback index faster than we can.
    """
    subject = subject_of(data, what=str(descriptor.digest))
    if subject is None or answer.header("OCI-Subject") == str(subject.digest):
        return
    with repository.session.turn(repository.origin, repository.name, subject.digest):
        _add(repository, subject, descriptor, data)


def _add(repository: Repository, subject: Descriptor, descriptor: Descriptor, data: bytes) -> None:
    """Adds `descriptor` to the fallback index; of this process nobody else does at the time."""
    entry = _entry(descriptor, data)
    tag = content_tag(subject.digest)
    for _ in range(_ROUNDS):
        known = _from_tag(repository, subject.digest)
        if any(item.digest == descriptor.digest for item in known):
            return
        index = document.dumps(
            {
                "schemaVersion": 2,
                "mediaType": media_types.INDEX,
                "manifests": [item.to_json() for item in [*known, entry]],
            }
        )
        manifests.put(repository, tag, Descriptor.of(media_types.INDEX, index), index)
        # Somebody else may have written between reading and writing: look again.
    if any(item.digest == descriptor.digest for item in _from_tag(repository, subject.digest)):
        return
    raise ConflictError(
        f"cannot add {descriptor.digest} to the referrers of {subject.digest} in {repository}",
        fix="others keep changing the same tag; try again",
    )


def _entry(descriptor: Descriptor, data: bytes) -> Descriptor:
    """How a fallback index describes a referrer."""
    value = document.loads_object(data, what=str(descriptor.digest))
    kind = value.get("artifactType")
    config = value.get("config")
    if not kind and isinstance(config, dict):
        kind = config.get("mediaType")
    annotations = value.get("annotations") or {}
    if not isinstance(annotations, dict):
        raise CorruptError(f"{descriptor.digest} has annotations that are not an object")
    return replace(
        descriptor,
        artifact_type=kind if isinstance(kind, str) else "",
        annotations=annotations,
    )


def _from_api(
    repository: Repository, subject: Digest, artifact_type: str
) -> list[Descriptor] | None:
    """What the referrers API answers, or None if there is no such API."""
    doing = f"list the referrers of {subject} in {repository}"
    target = f"/v2/{repository.name}/referrers/{subject}"
    if artifact_type:
        target += f"?artifactType={quote(artifact_type, safe='')}"
    found: list[Descriptor] = []
    seen = {target}
    for _ in range(_MAX_PAGES):
        response = repository.session.send(
            repository.access(),
            Request("GET", repository.origin, target, {"Accept": media_types.INDEX}),
            doing=doing,
            limit=document.MAX_DOCUMENT_BYTES,
        )
        if response.status in _NO_API:
            response.close()
            return None
        if response.status != 200:
            raise answers.failure(response, doing, registry=repository.registry)
        if response.header("Content-Type").partition(";")[0].strip() != media_types.INDEX:
            # A proxy or a web page that answers everything with 200.
            response.close()
            return None
        found += _manifests(response.read(document.MAX_DOCUMENT_BYTES), doing)
        if len(found) > _MAX_REFERRERS:
            raise LimitError(f"{subject} in {repository} has more than {_MAX_REFERRERS} referrers")
        target = next_page(response, seen, doing)
        if not target:
            return found
    raise CorruptError(f"cannot {doing}: there are more than {_MAX_PAGES} pages")


def _from_tag(repository: Repository, subject: Digest) -> list[Descriptor]:
    try:
        found, data = manifests.get(repository, content_tag(subject))
    except NotFoundError:
        return []
    if found.digest == subject:
        raise ConflictError(
            f"{repository}:{content_tag(subject)} is the image itself, and the registry has no"
            " other place for what refers to it",
            fix="push the image without its content tag, or use a registry with a referrers API",
        )
    if found.media_type not in media_types.INDEX_TYPES:
        raise ConflictError(
            f"{repository}:{content_tag(subject)} is an image, not the list of what refers to"
            f" {subject}",
            fix="delete that tag, or use a registry with a referrers API",
        )
    return _manifests(data, f"the referrers of {subject}")


def _manifests(data: bytes, what: str) -> list[Descriptor]:
    items = document.loads_object(data, what=what).get("manifests") or []
    if not isinstance(items, list):
        raise CorruptError(f"{what}: no list of manifests")
    return [Descriptor.from_json(item, what=what) for item in items]
