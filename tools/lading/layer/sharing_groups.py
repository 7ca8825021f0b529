"""Layers in the making, and how they are joined until images have few enough, or divided further.

What `sharing.plan` is made of; it says there what the rules are for.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Atom", "Group", "bits", "divide", "join"]

#: A layer of its own for less than this many bytes costs more in requests than it saves.
_WORTH_A_LAYER = 1 << 20
#: What nobody depends on is divided from the rest before anything else is.
_WORKED_ON = 1 << 64


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


class Group:
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


def join(groups: list[Group], images: int, budget: int) -> list[Group]:
    """Joins pairs of groups until none of so many images has more than `budget`.

    Scores are computed again when a pair's turn comes, because joins before it may have left it
    fewer images to relieve; a pair that got worse goes back into the queue.
    """
    counts = _counts(groups, images)
    over = sum(1 << number for number, count in enumerate(counts) if count > budget)
    alive = dict(enumerate(groups))
    having: dict[int, set[int]] = {user: set() for user in bits(over)}
    queue: list[tuple[tuple[float, int, str, str], int, int]] = []

    def score(one: Group, other: Group) -> tuple[float, int, str, str] | None:
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
        users = list(bits(alive[number].users & over))
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
        for user in bits(relieved):
            having[user] -= {one, other}
        for part, group in ((one, first), (other, second)):
            group.users &= ~relieved
            if not group.users:
                del alive[part]
        alive[number] = Group(first.atoms + second.atoms, relieved)
        for user in bits(relieved):
            counts[user.bit_length() - 1] -= 1
            if counts[user.bit_length() - 1] <= budget:
                over &= ~user
        enter(number)
    return _unite(alive.values())


def _unite(groups: Iterable[Group]) -> list[Group]:
    """Makes one group of those that came to hold the same atoms in different ways."""
    result: dict[frozenset[str], Group] = {}
    for group in groups:
        atoms = frozenset(atom.id for atom in group.atoms)
        if atoms in result:
            result[atoms].users |= group.users
        else:
            result[atoms] = group
    return list(result.values())


def _counts(groups: Iterable[Group], images: int) -> list[int]:
    """How many groups each image has."""
    counts = [0] * images
    for group in groups:
        for user in bits(group.users):
            counts[user.bit_length() - 1] += 1
    return counts


def divide(groups: list[Group], images: int, budget: int) -> list[Group]:
    """Divides groups while every image that has them may have one more.

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
            result[place] = Group(atoms, group.users)
            enter(place)
        for user in bits(group.users):
            counts[user.bit_length() - 1] += 1
            if counts[user.bit_length() - 1] >= budget:
                full |= user
    return list(result.values())


def _division(group: Group) -> tuple[int, list[Atom]] | None:
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


def _weight(size: int) -> int:
    """The size as a power of two: what decisions are made with."""
    return 1 << size.bit_length()


def bits(value: int) -> Iterable[int]:
    """The single bits of a bit set, lowest first."""
    while value:
        lowest = value & -value
        yield lowest
        value ^= lowest
