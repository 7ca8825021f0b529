"""Which dependencies of a set of images share a layer.

An atom is what changes as one: a package with its files, or a group of packages that need each
other. Every image is a set of atoms, and gets layers that hold exactly these, each in one layer.
A layer that is the same for several images is built, stored, pushed and pulled once.

The plan starts from the best sharing there is, one layer for each set of images, which keeps
nothing twice. Where that gives an image more layers than its budget, layers are joined, the pair
first that costs the fewest bytes stored twice for each image that it relieves. Where it gives
fewer, layers are divided, so that an update sends little: what many others depend on from what
few do, and large atoms from all others.

What many depend on changes seldom, for all of them change with it; what nobody depends on is what
is worked on. So that is apart first, where popularity is known. Otherwise a layer is as restless
as its least popular atom, and dividing is worth the bytes that are then sent less often, times how
much less. Of the layers of the same images, the most popular are lowest.

An update must change one layer, not the plan. Sizes and popularity therefore count as powers of
two: a package that grows by a few percent stays where it is. Ties are broken by names, never by
input order.

`layer_plan` follows the same rule in the analysis phase, where it cannot run this:
`rules/private/sharing_plan.bzl` says it in Starlark, and `tests/unit/layer/test_sharing_agrees.py`
runs both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from lading.errors import ConflictError, InputError, LimitError
from lading.layer.sharing_groups import Atom, Group, bits, divide, join
from lading.oci.manifest import MAX_LAYERS

__all__ = [
    "DEFAULT_BUDGET",
    "Atom",
    "Plan",
    "SharedLayer",
    "plan",
]

DEFAULT_BUDGET = 10

#: Joining looks at pairs; so many of the most valuable sets of images take part.
_MAX_CANDIDATES = 128


class SharedLayer(NamedTuple):
    """A layer: the ids of its atoms and the images that have it, both sorted."""

    atoms: tuple[str, ...]
    images: tuple[str, ...]


class Plan(NamedTuple):
    """Layers, most shared first, and for each image the numbers of its layers, lowest first."""

    layers: tuple[SharedLayer, ...]
    images: Mapping[str, tuple[int, ...]]


def plan(atoms: Iterable[Atom], *, budget: int = DEFAULT_BUDGET) -> Plan:
    """Places atoms in layers.

    Args:
        atoms: in any order; one that no image has is left out.
        budget: most layers an image gets, 1 to 127.

    Raises:
        LimitError: a budget outside that range.
        ConflictError: two atoms with one id.
        InputError: a negative size.
    """
    if not 1 <= budget <= MAX_LAYERS:
        raise LimitError(
            f"a budget of {budget} layers is not possible", fix=f"choose 1 to {MAX_LAYERS}"
        )
    ordered = _checked(atoms)
    names = sorted({image for atom in ordered for image in atom.images})
    bit = {name: 1 << number for number, name in enumerate(names)}
    groups = _by_users(ordered, bit)
    groups = _fold_the_least_valuable(groups)
    groups = join(groups, len(names), budget)
    groups = divide(groups, len(names), budget)
    return _result(groups, names)


def _checked(atoms: Iterable[Atom]) -> list[Atom]:
    ordered = sorted((atom for atom in atoms if atom.images), key=lambda atom: atom.id)
    for before, atom in zip([None, *ordered], ordered, strict=False):
        if before is not None and before.id == atom.id:
            raise ConflictError(f"there are two atoms {atom.id!r}", fix="give each its own id")
        if atom.size < 0:
            raise InputError(f"the atom {atom.id!r} has {atom.size} bytes")
    return ordered


def _by_users(atoms: Sequence[Atom], bit: Mapping[str, int]) -> list[Group]:
    """One group for each set of images that have the same atoms in common."""
    sets: dict[int, list[Atom]] = {}
    for atom in atoms:
        sets.setdefault(sum(bit[image] for image in atom.images), []).append(atom)
    return [Group(tuple(members), users) for users, members in sets.items()]


def _fold_the_least_valuable(groups: list[Group]) -> list[Group]:
    """Bounds the number of shared groups: the least valuable join what each image has alone."""

    def value(group: Group) -> tuple[int, str]:
        return (-(group.users.bit_count() - 1) * group.weight, group.key)

    shared = sorted((group for group in groups if group.users.bit_count() > 1), key=value)
    own = {group.users: group.atoms for group in groups if group.users.bit_count() == 1}
    for group in shared[_MAX_CANDIDATES:]:
        for user in bits(group.users):
            own[user] = own.get(user, ()) + group.atoms
    return shared[:_MAX_CANDIDATES] + [Group(members, user) for user, members in own.items()]


def _result(groups: list[Group], names: Sequence[str]) -> Plan:
    def order(group: Group) -> tuple[int, int, str]:
        return (-group.users.bit_count(), -group.level, group.key)

    layers = [
        SharedLayer(
            tuple(sorted(atom.id for atom in group.atoms)),
            tuple(names[user.bit_length() - 1] for user in bits(group.users)),
        )
        for group in sorted(groups, key=order)
    ]
    images: dict[str, list[int]] = {name: [] for name in names}
    for number, layer in enumerate(layers):
        for image in layer.images:
            images[image].append(number)
    return Plan(tuple(layers), {name: tuple(numbers) for name, numbers in images.items()})
