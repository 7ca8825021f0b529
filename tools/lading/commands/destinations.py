"""Where pushes go, by the context of the build (S2.7): one file maps names to registries.

    default: overlay
    contexts:
      upstream:
        registry: registry.example.com
        repository_prefix: team
        tags:
          allowed: ["sha256-*", "v*", latest]
          mutable: [latest]

A context without `tags` allows all tags and lets them move; content tags never do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lading import yamltext
from lading.errors import InputError, NotFoundError
from lading.oci.reference import Reference, check_repository
from lading.registry.policy import ANY_TAG, TagPolicy

__all__ = ["Context", "Destinations", "parse"]


@dataclass(frozen=True, slots=True)
class Context:
    """Where a context's images go, and which tags they may have."""

    name: str
    registry: str
    repository_prefix: str = ""
    policy: TagPolicy = ANY_TAG

    def repository(self, name: str) -> str:
        """The repository that stands for `name` here."""
        return f"{self.repository_prefix}/{name}" if self.repository_prefix else name


@dataclass(frozen=True, slots=True)
class Destinations:
    """All contexts of a file."""

    contexts: Mapping[str, Context]
    default: str = ""
    what: str = "the destinations"

    def choose(self, name: str) -> Context:
        """The context called `name`, or the default one for an empty name.

        Raises NotFoundError, with the names that there are.
        """
        known = ", ".join(sorted(self.contexts)) or "none"
        wanted = name or self.default
        if not wanted:
            raise NotFoundError(
                f"{self.what} has no default, and no context is chosen",
                fix=f"choose one with --context or LADING_CONTEXT: {known}",
            )
        if wanted not in self.contexts:
            raise NotFoundError(
                f"{self.what} has no context {wanted!r:.80}", fix=f"there are: {known}"
            )
        return self.contexts[wanted]


def parse(data: bytes, *, what: str) -> Destinations:
    """Reads a file of destinations.

    Raises:
        InputError: it is no YAML of this form; says where.
    """
    top = _mapping(yamltext.load(data, what=what), what, {"contexts", "default"})
    contexts = {
        name: _context(name, item, f"{what}, {name}")
        for name, item in _mapping(top.get("contexts"), f"{what}, contexts", None).items()
    }
    if not contexts:
        raise InputError(f"{what} lists no contexts")
    found = Destinations(contexts, _text(top, "default", what), what)
    if found.default:
        found.choose("")
    return found


def _context(name: str, value: Any, what: str) -> Context:
    fields = _mapping(value, what, {"registry", "repository_prefix", "tags"})
    registry = _text(fields, "registry", what)
    prefix = _text(fields, "repository_prefix", what)
    if not registry:
        raise InputError(f"{what} has no registry", fix="write host or host:port")
    try:
        Reference(registry, prefix or "x")
        if prefix:
            check_repository(prefix)
    except InputError as error:
        raise error.about(what) from None
    policy = TagPolicy(why=f"the context {name}")
    if "tags" in fields:
        tags = _mapping(fields["tags"], f"{what}, tags", {"allowed", "mutable"})
        policy = TagPolicy(
            _texts(tags, "allowed", ("*",), what), _texts(tags, "mutable", (), what), policy.why
        )
    return Context(name, registry, prefix, policy)


def _mapping(value: Any, what: str, known: Iterable[str] | None) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{what} is no mapping of names")
    if known is not None:
        yamltext.check_keys(value, known, what=what)
    return value


def _text(fields: Mapping[str, Any], key: str, what: str) -> str:
    value = fields.get(key, "")
    if not isinstance(value, str):
        raise InputError(f"{what}: {key} is {value!r:.80}, not a text", fix="put it in quotes")
    return value


def _texts(
    fields: Mapping[str, Any], key: str, absent: tuple[str, ...], what: str
) -> tuple[str, ...]:
    value = fields.get(key)
    if value is None:
        return absent
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InputError(f"{what}: {key} is no list of texts", fix="write [latest, 'v*']")
    return tuple(value)
