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
    pairs = _Pairs(groups, images, budget)
    while pairs.over:
        value, one, other = pairs.pop()
        current = pairs.score(one, other)
        if current is not None and current <= value:
            pairs.join(one, other)
        elif current is not None:
            pairs.push(current, one, other)
    return _unite(pairs.groups.values())


_Score = tuple[float, int, str, str]


class _Pairs:
    """Groups by number, and in a queue all pairs of them that an image with too many has.

    `over` is the bit set of these images. A pair may be in the queue longer than its groups.
    """

    def __init__(self, groups: list[Group], images: int, budget: int) -> None:
        self.groups: dict[int, Group] = {}
        self._counts = _counts(groups, images)
        self._budget = budget
        self.over = sum(1 << number for number, count in enumerate(self._counts) if count > budget)
        self._having: dict[int, set[int]] = {user: set() for user in bits(self.over)}
        self._queue: list[tuple[_Score, int, int]] = []
        self._numbers = itertools.count()
        for group in groups:
            self._enter(next(self._numbers), group)

    def pop(self) -> tuple[_Score, int, int]:
        """The score of the best pair when it was pushed, and the numbers of its groups."""
        return heapq.heappop(self._queue)

    def push(self, value: _Score, one: int, other: int) -> None:
        heapq.heappush(self._queue, (value, one, other))

    def score(self, one: int, other: int) -> _Score | None:
        """What joining a pair costs, less being better; None if it relieves no image any more."""
        if one not in self.groups or other not in self.groups:
            return None
        first, second = self.groups[one], self.groups[other]
        relieved = first.users & second.users & self.over
        if not relieved:
            return None
        # What other images go on having by itself is there twice from now on.
        cost = first.weight * bool(first.users & ~relieved)
        cost += second.weight * bool(second.users & ~relieved)
        low, high = sorted((first.key, second.key))
        return (cost / relieved.bit_count(), first.weight + second.weight, low, high)

    def join(self, one: int, other: int) -> None:
        """Gives the images with too many that have both groups one that is both."""
        first, second = self.groups[one], self.groups[other]
        relieved = first.users & second.users & self.over
        for user in bits(relieved):
            self._having[user] -= {one, other}
        for number, group in ((one, first), (other, second)):
            group.users &= ~relieved
            if not group.users:
                del self.groups[number]
        for user in bits(relieved):
            self._counts[user.bit_length() - 1] -= 1
            if self._counts[user.bit_length() - 1] <= self._budget:
                self.over &= ~user
        self._enter(next(self._numbers), Group(first.atoms + second.atoms, relieved))

    def _enter(self, number: int, group: Group) -> None:
        """Pairs a group with all that share an image with it, and remembers it."""
        self.groups[number] = group
        users = list(bits(group.users & self.over))
        for partner in sorted(set().union(*(self._having[user] for user in users))):
            if value := self.score(number, partner):
                self.push(value, number, partner)
        for user in users:
            self._having[user].add(number)


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
