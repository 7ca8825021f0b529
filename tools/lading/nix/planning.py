"""Which objects of a closure share a layer (S2.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from lading.layer.sharing import DEFAULT_BUDGET, Atom, plan
from lading.nix.closure import Closure, split_name

__all__ = ["Layers", "dependents", "plan_layers", "reachable"]


class Layers(NamedTuple):
    """Layers by name, each with its base names, and the names of each image's, lowest first."""

    layers: Mapping[str, tuple[str, ...]]
    images: Mapping[str, tuple[str, ...]]


def plan_layers(
    closure: Closure, images: Mapping[str, Iterable[str]], *, budget: int = DEFAULT_BUDGET
) -> Layers:
    """Places what each image reaches from its roots, see `lading.layer.sharing`.

    An object is an atom, and is known by its name before its hash: a new hash, which everything
    that depends on a change gets, moves nothing. Objects that no image reaches are left out.

    Args:
        closure: all objects.
        images: image to the base names of its roots.
        budget: most layers of an image, 1 to 127.

    Raises:
        LimitError: a budget outside that range.
    """
    users: dict[str, set[str]] = {base: set() for base in closure.paths}
    for image, bases in images.items():
        for base in reachable(closure, bases):
            users[base].add(image)
    popular = dependents(closure)
    atoms = [
        Atom(_atom(base), path.nar_size, frozenset(users[base]), popular[base])
        for base, path in closure.paths.items()
    ]
    result = plan(atoms, budget=budget)
    members = [tuple(_base(atom) for atom in layer.atoms) for layer in result.layers]
    names = _names(members, closure)
    return Layers(
        dict(zip(names, members, strict=True)),
        {image: tuple(names[number] for number in result.images[image]) for image in images},
    )


def reachable(closure: Closure, bases: Iterable[str]) -> set[str]:
    """Everything that `bases` refer to, directly or not, with themselves."""
    found = set(bases)
    pending = list(found)
    while pending:
        for other in closure.paths[pending.pop()].references:
            if other not in found:
                found.add(other)
                pending.append(other)
    return found


def dependents(closure: Closure) -> dict[str, int]:
    """How many others depend on each object, directly or not.

    Objects that refer to each other in a circle are counted among each other's.
    """
    bit = {base: 1 << number for number, base in enumerate(closure.paths)}
    above = dict.fromkeys(closure.paths, 0)
    waiting = list(closure.paths)
    while waiting:
        again: dict[str, None] = {}
        for base in waiting:
            known = above[base] | bit[base]
            for other in closure.paths[base].references:
                if above[other] | known != above[other]:
                    above[other] |= known
                    again[other] = None
        waiting = list(again)
    return {base: (above[base] & ~bit[base]).bit_count() for base in closure.paths}


def _atom(base: str) -> str:
    return f"{base[33:]}/{base[:32]}"


def _base(atom: str) -> str:
    name, _, digest = atom.rpartition("/")
    return f"{digest}-{name}"


def _names(members: Sequence[Sequence[str]], closure: Closure) -> list[str]:
    """A name for each layer, after the largest object in it, without version."""
    names: list[str] = []
    for bases in members:
        largest = max(bases, key=lambda base: (closure.paths[base].nar_size, base[33:]))
        name = first = re.sub(r"[^A-Za-z0-9._-]", "_", split_name(largest[33:]))
        number = 2
        while name in names:
            name = f"{first}-{number}"
            number += 1
        names.append(name)
    return names
