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

import heapq
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from lading.errors import ConflictError, InputError, LimitError

__all__ = [
    "DEFAULT_BUDGET",
    "MAX_BUDGET",
    "Atom",
    "Plan",
    "Savings",
    "SharedLayer",
    "plan",
    "savings",
]

DEFAULT_BUDGET = 10
#: overlayfs mounts at most 128 directories, one of them the container's own.
MAX_BUDGET = 127

#: A layer of its own for less than this many bytes costs more in requests than it saves.
_WORTH_A_LAYER = 1 << 20
#: What nobody depends on is divided from the rest before anything else is.
_WORKED_ON = 1 << 64
#: Joining looks at pairs; so many of the most valuable sets of images take part.
_MAX_CANDIDATES = 128


class Atom(NamedTuple):
    """Something that images contain whole or not at all: its size in bytes, and which do.

    `dependents` is its popularity: how many other atoms depend on it, directly or not.
    """

    id: str
    size: int
    images: frozenset[str]
    dependents: int = 0

    @property
    def level(self) -> int:
        """The magnitude of its popularity; 0 where nothing depends on it."""
        return self.dependents.bit_length()


class SharedLayer(NamedTuple):
    """A layer: the ids of its atoms and the images that have it, both sorted."""

    atoms: tuple[str, ...]
    images: tuple[str, ...]


class Plan(NamedTuple):
    """Layers, most shared first, and for each image the numbers of its layers, lowest first."""

    layers: tuple[SharedLayer, ...]
    images: Mapping[str, tuple[int, ...]]


class Savings(NamedTuple):
    """What a plan is worth, in bytes of uncompressed content."""

    #: Every image with layers of its own.
    separate: int
    #: Every layer of the plan once.
    stored: int
    #: Every atom once: no plan can store less.
    least: int

    @property
    def saved(self) -> int:
        return self.separate - self.stored


class _Group:
    """A layer in the making. `users` is a bit set of images."""

    __slots__ = ("atoms", "key", "users", "weight")

    def __init__(self, atoms: tuple[Atom, ...], users: int) -> None:
        self.atoms = atoms
        self.users = users
        self.weight = sum(_weight(atom.size) for atom in atoms)
        self.key = min(atom.id for atom in atoms)

    @property
    def level(self) -> int:
        """That of the atom that is updated most."""
        return min(atom.level for atom in self.atoms)


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
    if not 1 <= budget <= MAX_BUDGET:
        raise LimitError(
            f"a budget of {budget} layers is not possible", fix=f"choose 1 to {MAX_BUDGET}"
        )
    ordered = _checked(atoms)
    names = sorted({image for atom in ordered for image in atom.images})
    bit = {name: 1 << number for number, name in enumerate(names)}
    groups = _by_users(ordered, bit)
    groups = _fold_the_least_valuable(groups)
    groups = _join(groups, len(names), budget)
    groups = _divide(groups, len(names), budget)
    return _result(groups, names)


def savings(result: Plan, atoms: Iterable[Atom]) -> Savings:
    """What `result`, the plan of `atoms`, saves across its images."""
    sizes = {atom.id: atom.size for atom in atoms if atom.images}
    layers = [sum(sizes[atom] for atom in layer.atoms) for layer in result.layers]
    separate = sum(
        size * len(layer.images) for size, layer in zip(layers, result.layers, strict=True)
    )
    return Savings(separate, sum(layers), sum(sizes.values()))


def _checked(atoms: Iterable[Atom]) -> list[Atom]:
    ordered = sorted((atom for atom in atoms if atom.images), key=lambda atom: atom.id)
    for before, atom in zip([None, *ordered], ordered, strict=False):
        if before is not None and before.id == atom.id:
            raise ConflictError(f"there are two atoms {atom.id!r}", fix="give each its own id")
        if atom.size < 0:
            raise InputError(f"the atom {atom.id!r} has {atom.size} bytes")
    return ordered


def _weight(size: int) -> int:
    """The size as a power of two: what decisions are made with."""
    return 1 << size.bit_length()


def _by_users(atoms: Sequence[Atom], bit: Mapping[str, int]) -> list[_Group]:
    """One group for each set of images that have the same atoms in common."""
    sets: dict[int, list[Atom]] = {}
    for atom in atoms:
        sets.setdefault(sum(bit[image] for image in atom.images), []).append(atom)
    return [_Group(tuple(members), users) for users, members in sets.items()]


def _fold_the_least_valuable(groups: list[_Group]) -> list[_Group]:
    """Bounds the number of shared groups: the least valuable join what each image has alone."""

    def value(group: _Group) -> tuple[int, str]:
        return (-(group.users.bit_count() - 1) * group.weight, group.key)

    shared = sorted((group for group in groups if group.users.bit_count() > 1), key=value)
    own = {group.users: group.atoms for group in groups if group.users.bit_count() == 1}
    for group in shared[_MAX_CANDIDATES:]:
        for user in _bits(group.users):
            own[user] = own.get(user, ()) + group.atoms
    return shared[:_MAX_CANDIDATES] + [_Group(members, user) for user, members in own.items()]


def _join(groups: list[_Group], images: int, budget: int) -> list[_Group]:
    """Joins pairs of groups until no image has more than `budget`.

    Scores are computed again when a pair's turn comes, because joins before it may have left it
    fewer images to relieve; a pair that got worse goes back into the queue.
    """
    counts = _counts(groups, images)
    over = sum(1 << number for number, count in enumerate(counts) if count > budget)
    alive = dict(enumerate(groups))
    having: dict[int, set[int]] = {user: set() for user in _bits(over)}
    queue: list[tuple[tuple[float, int, str, str], int, int]] = []

    def score(one: _Group, other: _Group) -> tuple[float, int, str, str] | None:
        relieved = one.users & other.users & over
        if not relieved:
            return None
        # What other images go on having by itself is there twice from now on.
        cost = one.weight * bool(one.users & ~relieved) + other.weight * bool(
            other.users & ~relieved
        )
        keys = sorted((one.key, other.key))
        return (cost / relieved.bit_count(), one.weight + other.weight, keys[0], keys[1])

    def enter(number: int) -> None:
        """Pairs a group with all that share an image with it, and remembers it."""
        users = list(_bits(alive[number].users & over))
        for partner in sorted(set().union(*(having[user] for user in users))):
            if partner in alive and (value := score(alive[number], alive[partner])):
                heapq.heappush(queue, (value, number, partner))
        for user in users:
            having[user].add(number)

    for number in range(len(groups)):
        enter(number)
    numbers = itertools.count(len(groups))
    while over:
        value, one, other = heapq.heappop(queue)
        if one not in alive or other not in alive:
            continue
        first, second = alive[one], alive[other]
        current = score(first, second)
        if current is None:
            continue
        if current > value:
            heapq.heappush(queue, (current, one, other))
            continue
        relieved = first.users & second.users & over
        number = next(numbers)
        for user in _bits(relieved):
            having[user] -= {one, other}
        for part, group in ((one, first), (other, second)):
            group.users &= ~relieved
            if not group.users:
                del alive[part]
        alive[number] = _Group(first.atoms + second.atoms, relieved)
        for user in _bits(relieved):
            counts[user.bit_length() - 1] -= 1
            if counts[user.bit_length() - 1] <= budget:
                over &= ~user
        enter(number)
    return _unite(alive.values())


def _unite(groups: Iterable[_Group]) -> list[_Group]:
    """Makes one group of those that came to hold the same atoms in different ways."""
    result: dict[frozenset[str], _Group] = {}
    for group in groups:
        atoms = frozenset(atom.id for atom in group.atoms)
        if atoms in result:
            result[atoms].users |= group.users
        else:
            result[atoms] = group
    return list(result.values())


def _counts(groups: Iterable[_Group], images: int) -> list[int]:
    """How many groups each image has."""
    counts = [0] * images
    for group in groups:
        for user in _bits(group.users):
            counts[user.bit_length() - 1] += 1
    return counts


def _divide(groups: list[_Group], images: int, budget: int) -> list[_Group]:
    """Divides layers while every image that has them may have one more.

    The division that is worth most comes first; both halves are then looked at again.
    """
    counts = _counts(groups, images)
    full = sum(1 << number for number, count in enumerate(counts) if count >= budget)
    result = dict(enumerate(groups))
    queue: list[tuple[tuple[int, str, str], int, frozenset[str]]] = []

    def enter(number: int) -> None:
        if found := _division(result[number]):
            gain, apart = found
            first = min(atom.id for atom in apart)
            entry = (-gain, first, result[number].key)
            heapq.heappush(queue, (entry, number, frozenset(atom.id for atom in apart)))

    for number in result:
        enter(number)
    while queue:
        _, number, apart = heapq.heappop(queue)
        group = result[number]
        if group.users & full:
            continue
        for part in (False, True):
            atoms = tuple(atom for atom in group.atoms if (atom.id in apart) is part)
            place = len(result) if part else number
            result[place] = _Group(atoms, group.users)
            enter(place)
        for user in _bits(group.users):
            counts[user.bit_length() - 1] += 1
            if counts[user.bit_length() - 1] >= budget:
                full |= user
    return list(result.values())


def _division(group: _Group) -> tuple[int, list[Atom]] | None:
    """What the best division of a layer is worth, and the atoms that it takes out."""
    if len(group.atoms) < 2:
        return None
    restless = group.level
    best: tuple[int, list[Atom]] | None = None
    levels = sorted({atom.level for atom in group.atoms} - {restless})
    for level in levels:
        calm = [atom for atom in group.atoms if atom.level >= level]
        weight = sum(_weight(atom.size) for atom in calm)
        gain = weight * (_WORKED_ON if not restless and level == levels[0] else level - restless)
        if weight >= _WORTH_A_LAYER and (best is None or gain > best[0]):
            best = gain, calm
    for atom in group.atoms:
        if atom.size >= _WORTH_A_LAYER:
            gain = _weight(atom.size) * (atom.level - restless + 1)
            if best is None or gain > best[0]:
                best = gain, [atom]
    return (best[0] * group.users.bit_count(), best[1]) if best else None


def _result(groups: list[_Group], names: Sequence[str]) -> Plan:
    def order(group: _Group) -> tuple[int, int, str]:
        return (-group.users.bit_count(), -group.level, group.key)

    layers = [
        SharedLayer(
            tuple(sorted(atom.id for atom in group.atoms)),
            tuple(names[user.bit_length() - 1] for user in _bits(group.users)),
        )
        for group in sorted(groups, key=order)
    ]
    images: dict[str, list[int]] = {name: [] for name in names}
    for number, layer in enumerate(layers):
        for image in layer.images:
            images[image].append(number)
    return Plan(tuple(layers), {name: tuple(numbers) for name, numbers in images.items()})


def _bits(value: int) -> Iterable[int]:
    """The single bits of a bit set, lowest first."""
    while value:
        lowest = value & -value
        yield lowest
        value ^= lowest
