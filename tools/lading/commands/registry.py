"""The verbs of a registry that a build needs, without another tool.

    registry copy SOURCE TARGET       copy an image; what is there already is not sent
    registry inspect REFERENCE        what a reference names
    registry tags REPOSITORY          the tags of a repository
    registry delete REFERENCE         delete a tag, or a manifest by its digest
    registry login REGISTRY           keep a login; the password comes from standard input

References name their registry: localhost:5000/team/app:v1, registry.example.com/app@sha256:….
SOURCE and TARGET may also be oci:DIRECTORY[:TAG]. `registry VERB --help` lists the flags.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from lading.commands import anywhere, connection, entry, flags
from lading.commands.jobs import counts
from lading.commands.meter import Meter
from lading.commands.transfer import Transfer
from lading.commands.usage import count
from lading.errors import LadingError, NotFoundError, UsageError, visible
from lading.oci import document, media_types
from lading.oci.content import children, read_document
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.oci.reference import Reference, check_tag
from lading.registry import login, manifests, memory, referrers
from lading.registry import tags as tag_lists
from lading.registry.content import RegistryContent
from lading.registry.credentials import Credential
from lading.registry.push import Job, Pusher
from lading.registry.repository import Repository
from lading.store import layouts, sizes

__all__ = ["main"]

_PIPE = "pipe it in: … -- login REGISTRY --username=NAME <password.txt"


def main(argv: Sequence[str]) -> int:
    """Runs a verb; raises LadingError."""
    if not argv or argv[0] in ("--help", "-h", "help"):
        print((__doc__ or "").strip())
        return 0 if argv else UsageError.exit_code
    verb, *rest = argv
    if verb not in _VERBS:
        raise UsageError(f"there is no verb {verb!r:.80}", fix=f"there are {', '.join(_VERBS)}")
    return _VERBS[verb](rest)


def _copy(argv: Sequence[str]) -> int:
    """registry copy SOURCE TARGET [--tag=more …] [--dry_run]

    Copies an image or index with all it names, the tag last. Within one registry nothing is
    downloaded: blobs are mounted.
    """
    values = _flags()
    flags.define_multi_string("tag", [], "Tag to set as well.", flag_values=values)
    flags.define_bool("dry_run", False, "Send nothing, say what would be.", flag_values=values)
    source, target = _words(values, argv, _copy, 2)
    where = anywhere.layout_words(target) or Reference.parse(target)
    own = where.tag if isinstance(where, Reference) else where[1]
    tags = [check_tag(tag) for tag in (*([own] if own else []), *values.tag)]
    with (
        contextlib.closing(connection.connect(values)) as session,
        anywhere.opened(source, lambda: session) as found,
    ):
        root, content = found.root, found.content
        if not isinstance(where, Reference):
            place = where[0]
            if not values.dry_run:
                with Meter(f"{target}: written") as meter:
                    layouts.write(entry.here(place), root, content, tags, progress=Transfer(meter))
            references = [f"oci:{place}:{tag}" for tag in tags] or [f"oci:{place}"]
            details: dict[str, Any] = {}
        else:
            repository = session.repository(where.registry, where.repository)
            near = found.repository
            mounts = (near.name,) if near and near.registry == where.registry else ()
            job = Job(root, content, repository, tuple(tags), mounts)
            with Meter(f"{target}: sent") as meter:
                pusher = Pusher(
                    progress=Transfer(meter), dry_run=values.dry_run, memory=memory.at_home()
                )
                [pushed] = pusher.run([job])
            references = [f"{repository}:{tag}@{root.digest}" for tag in tags]
            references = references or [f"{repository}@{root.digest}"]
            details = counts(pushed)
    if values.json:
        print(json.dumps({"digest": str(root.digest), "references": references, **details}))
    else:
        print("\n".join(references))
    return 0


def _inspect(argv: Sequence[str]) -> int:
    """registry inspect REFERENCE [--raw] [--config]

    The digest, media type, platforms and layers of what a reference names, and what refers to it:
    signatures, attestations, indexes of its files.
    """
    values = _flags()
    flags.define_bool("raw", False, "Print the document itself.", flag_values=values)
    flags.define_bool("config", False, "Print the image's config.", flag_values=values)
    [text] = _words(values, argv, _inspect, 1)
    reference = Reference.parse(text)
    with contextlib.closing(connection.connect(values)) as session:
        repository = session.repository(reference.registry, reference.repository)
        named = reference.digest or reference.tag or "latest"
        root, data = manifests.get(repository, named)
        value = document.loads_object(data, what=text)
        if values.config:
            if "config" not in value:
                raise NotFoundError(f"{text} is an index and has no config", fix="name a manifest")
            config = Descriptor.from_json(value["config"], what=f"{text}, config")
            data = read_document(RegistryContent(repository), config)
        shown = values.raw or values.config
        referring = [] if shown else _referrers(repository, root.digest)
    if values.raw or values.config:
        sys.stdout.buffer.write(data)
        return 0
    if values.json:
        listed = None if referring is None else [item.to_json() for item in referring]
        parts = {"descriptor": root.to_json(), "document": value, "referrers": listed}
        print(json.dumps(parts))
        return 0
    print(f"{root.digest}\n{root.media_type}")
    index = root.media_type in media_types.INDEX_TYPES
    for found in children(root.media_type, data, what=text)[not index :]:
        size = "" if index else f"{sizes.human(found.size):>10}  "
        print(visible(f"  {found.digest}  {size}{found.platform or found.media_type}"))
    if referring:
        print("referred to by")
    for found in referring or ():
        print(visible(f"  {found.digest}  {found.artifact_type or found.media_type}"))
    return 0


def _referrers(repository: Repository, subject: Digest) -> list[Descriptor] | None:
    """What refers to a manifest; None, and a line on stderr, where the registry does not tell."""
    try:
        return referrers.list_referrers(repository, subject)
    except LadingError as error:
        print(f"lading: what refers to it is not known: {error.what}", file=sys.stderr)
        return None


def _tags(argv: Sequence[str]) -> int:
    """registry tags REGISTRY/REPOSITORY

    One tag a line, in the registry's order.
    """
    values = _flags()
    [text] = _words(values, argv, _tags, 1)
    reference = Reference.parse(text)
    with contextlib.closing(connection.connect(values)) as session:
        found = tag_lists.list_tags(session.repository(reference.registry, reference.repository))
    if values.json:
        print(json.dumps(found))
    else:
        sys.stdout.write("".join(f"{tag}\n" for tag in found))
    return 0


def _delete(argv: Sequence[str]) -> int:
    """registry delete REFERENCE [--dry_run]

    A tag, or with a digest the manifest and every tag that names it.
    """
    values = _flags()
    flags.define_bool("dry_run", False, "Delete nothing, say what would be.", flag_values=values)
    [text] = _words(values, argv, _delete, 1)
    reference = Reference.parse(text)
    named = reference.digest or reference.tag
    if not named:
        raise UsageError(f"{text} names neither a tag nor a digest", fix="say which to delete")
    with contextlib.closing(connection.connect(values)) as session:
        repository = session.repository(reference.registry, reference.repository)
        there = manifests.head(repository, named)
        if there is None:
            raise NotFoundError(f"there is no {text}")
        if not values.dry_run and not manifests.delete(repository, named):
            raise NotFoundError(f"there is no {text}")
    if values.json:
        print(json.dumps({"digest": str(there), "deleted": not values.dry_run}))
    else:
        how = "would be deleted" if values.dry_run else "is deleted"
        print(f"lading: {text} ({there}) {how}", file=sys.stderr)
    return 0


def _login(argv: Sequence[str]) -> int:
    """registry login REGISTRY --username=NAME <PASSWORD_FILE

    Tries the login, then keeps it where docker does. The password is read from standard input.
    """
    values = _flags()
    flags.define_string("username", "", "User name.", flag_values=values)
    [registry] = _words(values, argv, _login, 1)
    Reference(registry, "x")
    if not values.username:
        raise UsageError("--username is missing", fix="give it; the password is read from stdin")
    if sys.stdin.isatty():
        raise UsageError(
            "the password is read from standard input, which is a terminal",
            fix=_PIPE,
        )
    credential = Credential(values.username, sys.stdin.read().rstrip("\r\n"), source="this login")
    if not credential.password:
        raise UsageError("the password on standard input is empty", fix=_PIPE)
    with contextlib.closing(connection.connect(values, find=lambda *_: credential)) as session:
        asked = login.check(session, registry)
    kept = login.store(registry, credential)
    if not asked:
        print(f"lading: {registry} asks nobody to log in", file=sys.stderr)
    print(f"lading: the login for {registry} is kept in {kept}", file=sys.stderr)
    return 0


_VERBS: dict[str, Callable[[Sequence[str]], int]] = {
    "copy": _copy,
    "delete": _delete,
    "inspect": _inspect,
    "login": _login,
    "tags": _tags,
}


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    flags.define_bool("json", False, "Print one JSON value.", flag_values=values)
    connection.define(values)
    return values


def _words(
    values: flags.FlagValues, argv: Sequence[str], verb: Callable[..., int], wanted: int
) -> list[str]:
    words = entry.parse(values, argv, usage=verb.__doc__ or "")
    if len(words) != wanted:
        usage = (verb.__doc__ or "").strip().splitlines()[0]
        raise UsageError(f"{count(len(words), 'argument')} given", fix=f"usage: {usage}")
    return words


if __name__ == "__main__":
    entry.run(main)
