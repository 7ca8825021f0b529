"""The closure of a few packages under Depends and Pre-Depends, chosen the same way every time."""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lading.debian.index import Index, meets
from lading.debian.package import Package
from lading.debian.relation import Group
from lading.errors import ConflictError, InputError, NotFoundError

__all__ = ["Resolution", "resolve"]


@dataclass(frozen=True, slots=True)
class Resolution:
    """The packages of a closure by name, and for each the names that meet its dependencies."""

    packages: Mapping[str, Package]
    depends: Mapping[str, frozenset[str]]
    excluded: frozenset[str]
    """The names of the exclusion list that were met on the way."""


@dataclass(slots=True)
class _State:
    index: Index
    exclude: Mapping[str, str]
    packages: dict[str, Package]
    depends: dict[str, set[str]] = field(default_factory=dict)
    excluded: set[str] = field(default_factory=set)
    queue: deque[Package] = field(default_factory=deque)


def resolve(
    index: Index,
    roots: Iterable[str],
    *,
    below: Mapping[str, Package] | None = None,
    exclude: Mapping[str, str] | None = None,
) -> Resolution:
    """The closure of `roots` in `index`.

    Dependencies with one answer are followed first. Where alternatives are left that nothing
    selected so far meets, the first of them that exists is taken, as apt does; a virtual package
    with several providers and no real package is refused, so that a lock never depends on a
    guess. The result depends on the index and the arguments, not on their order.

    Args:
        index: what the suite offers for one architecture.
        roots: names of real packages.
        below: packages that are already there, in layers underneath; part of the result.
        exclude: names that count as met without being installed, with the reason why.

    Raises:
        NotFoundError: a root, or something that a package needs, is not in the suite.
        InputError: a root is excluded, or a virtual package is ambiguous.
        ConflictError: two packages of the closure cannot be installed together.
    """
    state = _State(index, exclude or {}, dict(below or {}))
    for root in sorted(set(roots)):
        _select(state, _root(state, root))
    deferred: list[tuple[Package, Group]] = []
    while state.queue or deferred:
        if state.queue:
            package = state.queue.popleft()
            deferred += [
                (package, group) for group in package.depends if not _follow(state, package, group)
            ]
            continue
        package, group = deferred.pop(0)
        if not _met(state, package, group):
            chosen = _choose(state, package, group)
            state.depends[package.name].add(chosen.name)
            _select(state, chosen)
    _refuse_conflicts(state.packages)
    return Resolution(
        {name: state.packages[name] for name in sorted(state.packages)},
        {name: frozenset(state.depends[name]) for name in sorted(state.depends)},
        frozenset(state.excluded),
    )


def _root(state: _State, name: str) -> Package:
    if name in state.exclude:
        raise InputError(f"Debian package {name} is both asked for and excluded")
    package = state.index.candidate(name)
    if package is not None:
        return package
    providers = [provider.name for provider in state.index.providers(name)]
    if providers:
        hint = f"it is a virtual package: name one of {', '.join(providers)}"
    else:
        close = difflib.get_close_matches(name, state.index.names(), n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "check its name and the suite"
    raise NotFoundError(
        f"the suite has no Debian package {name} for {state.index.architecture}", fix=hint
    )


def _select(state: _State, package: Package) -> None:
    if package.name not in state.packages:
        state.packages[package.name] = package
        state.depends[package.name] = set()
        state.queue.append(package)


def _follow(state: _State, package: Package, group: Group) -> bool:
    """Meets a dependency that has one answer; False if it has to wait for the others."""
    if _met(state, package, group):
        return True
    options = _options(state, group)
    if len(options) > 1:
        return False
    chosen = options[0] if options else _choose(state, package, group)
    state.depends[package.name].add(chosen.name)
    _select(state, chosen)
    return True


def _met(state: _State, package: Package, group: Group) -> bool:
    """Whether what is excluded or already selected meets the dependency."""
    names = {relation.name for relation in group} & state.exclude.keys()
    if names:
        state.excluded |= names
        return True
    for relation in group:
        for option in state.index.options(relation):
            if option.name in state.exclude:
                state.excluded.add(option.name)
                return True
            if option.name in state.packages and meets(state.packages[option.name], relation):
                if option.name != package.name:
                    state.depends[package.name].add(option.name)
                return True
    return False


def _options(state: _State, group: Group) -> list[Package]:
    """The distinct packages that would meet the dependency, in the order of its alternatives."""
    found = {option.name: option for relation in group for option in state.index.options(relation)}
    return list(found.values())


def _choose(state: _State, package: Package, group: Group) -> Package:
    """The first alternative that exists."""
    for relation in group:
        options = state.index.options(relation)
        if not options:
            continue
        if options[0].name == relation.name or len(options) == 1:
            return options[0]
        raise InputError(
            f"Debian package {package.name} needs {relation}, which is provided by "
            f"{', '.join(option.name for option in options)}",
            fix="add the one that you want to the set, or exclude the virtual package",
        )
    text = " | ".join(str(relation) for relation in group)
    offers = [state.index.candidate(relation.name) for relation in group]
    have = ", ".join(f"{offer.name} {offer.version}" for offer in offers if offer is not None)
    raise NotFoundError(
        f"Debian package {package.name} {package.version} needs {text}; "
        f"the suite has {have or 'none of them'} for {state.index.architecture}"
    )


def _refuse_conflicts(packages: Mapping[str, Package]) -> None:
    for package in packages.values():
        for relation in (relation for group in package.breaks for relation in group):
            for other in packages.values():
                # A package that provides what it conflicts with means every other provider.
                if other is not package and meets(other, relation):
                    raise ConflictError(
                        f"Debian package {package.name} {package.version} conflicts with "
                        f"{relation}, and the closure has {other.name} {other.version}",
                        fix="drop or exclude one of the two",
                    )
