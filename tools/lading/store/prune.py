"""Which images go, and why (S1.7): a plan made from a snapshot, with nothing touched.

In this order:

1. an image in use stays, whatever the limits say;
2. the newest N of a group stay where a rule keeps the last N, the others of the group go;
3. an image not used for longer than the age goes, unless rule 2 keeps it;
4. while images together are larger than their limit, or the file system has less left than it must,
   the least valuable goes: least recently used, then least often, then larger, then by name.
"""

from __future__ import annotations

import fnmatch
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lading.store import sizes
from lading.store.entry import Entry
from lading.store.usage import Usage

__all__ = ["Item", "KeepLast", "Plan", "Policy", "Removal", "plan"]


@dataclass(frozen=True, slots=True)
class KeepLast:
    """The newest `count` images stay of those whose name fits `pattern`, counted by project."""

    pattern: str
    count: int


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits; None is none. Sizes in bytes, the age in seconds since an image was last used."""

    max_total_size: int | None = None
    max_age: float | None = None
    min_free: int | None = None
    keep_last: tuple[KeepLast, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """An image as it is: the bytes of its archive, and who uses it (empty for nobody).

    `shared` is where on the disk those bytes are that other archives may have too; see `usage`.
    What has a name `elsewhere`, by a hard link, makes the store smaller and the disk no emptier.
    """

    entry: Entry
    size: int
    in_use: str = ""
    shared: tuple[tuple[int, int], ...] = ()
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Removal:
    """An image that goes, the reason in words, and the bytes that the disk has back then."""

    item: Item
    why: str
    freed: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes and what stays. `unreached` says in words which limits cannot be met."""

    removals: tuple[Removal, ...] = ()
    kept: tuple[Item, ...] = ()
    unreached: tuple[str, ...] = ()
    before: int = 0
    after: int = 0
    protected: Mapping[str, str] = field(default_factory=dict)


def plan(items: Sequence[Item], policy: Policy, *, free: int, now: datetime) -> Plan:
    """The plan for `items`; the same for the same items in any order.

    Args:
        items: every image of the store.
        policy: the limits.
        free: bytes that the store's file system has left.
        now: the time that ages are counted from.
    """
    kept_last, surplus = _by_rank(items, policy)
    disk = Usage((item.entry.name, item.size, item.shared) for item in items)
    before = disk.total
    removals: list[Removal] = []
    staying: list[Item] = []
    protected: dict[str, str] = {}
    freed = 0

    def remove(item: Item, why: str) -> None:
        nonlocal freed
        gone = disk.remove(item.entry.name)
        removals.append(Removal(item, why, 0 if item.elsewhere else gone))
        freed += removals[-1].freed

    for item in sorted(items, key=_least_valuable):
        name = item.entry.name
        if item.in_use:
            staying.append(item)
            protected[name] = item.in_use
        elif name in kept_last:
            staying.append(item)
            protected[name] = kept_last[name]
        elif name in surplus:
            remove(item, surplus[name])
        elif policy.max_age is not None and (age := _age(item, now)) > policy.max_age:
            remove(item, f"not used for {_days(age)}")
        else:
            staying.append(item)
    for item in [one for one in staying if one.entry.name not in protected]:
        if policy.max_total_size is not None and disk.total > policy.max_total_size:
            why = "the images are larger than their limit"
        elif policy.min_free is not None and free + freed < policy.min_free:
            if item.elsewhere:
                continue  # it would go for nothing
            why = "the file system has too little left"
        else:
            break
        staying.remove(item)
        remove(item, why)
    total = disk.total
    unreached = []
    if policy.max_total_size is not None and total > policy.max_total_size:
        limit = sizes.human(policy.max_total_size)
        unreached.append(f"{sizes.human(total)} of images remain, the limit is {limit}")
    if policy.min_free is not None and free + freed < policy.min_free:
        wanted = sizes.human(policy.min_free)
        unreached.append(f"{sizes.human(free + freed)} would be free, {wanted} are wanted")
    return Plan(tuple(removals), tuple(staying), tuple(unreached), before, total, protected)


def _by_rank(items: Sequence[Item], policy: Policy) -> tuple[dict[str, str], dict[str, str]]:
    """Names that rules keep and names that they do not, with the rule in words.

    The first rule whose pattern fits a name is the one that counts for it.
    """
    kept: dict[str, str] = {}
    surplus: dict[str, str] = {}
    groups: defaultdict[tuple[int, str], list[Item]] = defaultdict(list)
    for item in items:
        for number, rule in enumerate(policy.keep_last):
            if fnmatch.fnmatchcase(item.entry.name, rule.pattern):
                groups[number, item.entry.parsed.project].append(item)
                break
    for (number, project), group in groups.items():
        rule = policy.keep_last[number]
        newest = sorted(group, key=_least_valuable, reverse=True)
        for rank, item in enumerate(newest):
            if rank < rule.count:
                kept[item.entry.name] = f"among the last {rule.count} of {project}"
            else:
                surplus[item.entry.name] = f"not among the last {rule.count} of {project}"
    return kept, surplus


def _least_valuable(item: Item) -> tuple[str, int, int, str]:
    """Sorts the image that is given up first to the front."""
    return (item.entry.last_used_at, item.entry.usage_count, -item.size, item.entry.name)


def _age(item: Item, now: datetime) -> float:
    """Seconds since the last use; an image whose time cannot be read counts as just used."""
    try:
        used = datetime.fromisoformat(item.entry.last_used)
    except ValueError:
        return 0
    return (now - (used if used.tzinfo else used.replace(tzinfo=UTC))).total_seconds()


def _days(seconds: float) -> str:
    return f"{seconds / 86400:.1f} days" if seconds >= 86400 else f"{seconds / 3600:.1f} hours"
