"""Plans that share layers among images."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.errors import ConflictError, InputError, LimitError
from lading.layer.sharing import Atom, Plan, plan
from lading.oci.manifest import MAX_LAYERS

MIB = 1 << 20


def atoms(members: Mapping[str, str], sizes: Mapping[str, int] | None = None) -> list[Atom]:
    """Atoms from `{"id": "images it is in, a letter each"}`, 1 MiB each unless told."""
    return [
        Atom(name, (sizes or {}).get(name, MIB), frozenset(images))
        for name, images in members.items()
    ]


def named(result: Plan) -> dict[str, list[str]]:
    """Image to its layers, lowest first, each as its atoms joined by +."""
    return {
        image: ["+".join(result.layers[number].atoms) for number in numbers]
        for image, numbers in result.images.items()
    }


class Bytes(NamedTuple):
    """Of all images with layers of their own, of every layer once, and of every atom once."""

    separate: int
    stored: int
    least: int


def measured(result: Plan, world: Iterable[Atom]) -> Bytes:
    """What a plan of `world` stores."""
    sizes = {atom.id: atom.size for atom in world if atom.images}
    layers = [(sum(map(sizes.__getitem__, one.atoms)), len(one.images)) for one in result.layers]
    separate = sum(size * users for size, users in layers)
    return Bytes(separate, sum(size for size, _ in layers), sum(sizes.values()))


WORLDS = st.lists(
    st.tuples(st.integers(0, 1 << 24), st.frozensets(st.sampled_from("abcdefg"))), max_size=24
).map(lambda items: [Atom(f"p{number:02}", *item) for number, item in enumerate(items)])
BUDGETS = st.integers(1, 6)


def test_what_all_share_is_lowest_and_what_one_has_alone_is_highest() -> None:
    result = plan(atoms({"libc": "abc", "python": "ab", "app": "a", "other": "b", "tool": "c"}))
    assert named(result) == {
        "a": ["libc", "python", "app"],
        "b": ["libc", "python", "other"],
        "c": ["libc", "tool"],
    }


def test_within_the_budget_nothing_is_stored_twice() -> None:
    world = atoms({"libc": "abc", "x": "ab", "y": "bc", "z": "ac", "a": "a"})
    assert measured(plan(world), world).stored == 5 * MIB


def test_over_budget_the_pair_that_costs_least_is_joined() -> None:
    world = atoms(
        {"libc": "abcd", "big": "ab", "small": "ac", "own": "a"},
        {"libc": 64 * MIB, "big": 32 * MIB, "small": MIB, "own": MIB},
    )
    result = plan(world, budget=3)
    assert named(result) == {
        "a": ["libc", "big", "own+small"],
        "b": ["libc", "big"],
        "c": ["libc", "small"],
        "d": ["libc"],
    }
    assert measured(result, world) == (4 * 64 * MIB + 2 * 32 * MIB + 3 * MIB, 99 * MIB, 98 * MIB)


def test_one_join_serves_all_images_that_need_it() -> None:
    members = {f"dep{number}": "abcd" if number % 2 else "abcde" for number in range(8)}
    result = plan(atoms(members, dict.fromkeys(members, 100)), budget=1)
    together = "+".join(sorted(members))
    assert named(result) == {
        **{image: [together] for image in "abcd"},
        "e": ["+".join(sorted(name for name, images in members.items() if "e" in images))],
    }


def test_a_large_package_gets_its_own_layer_while_the_budget_lasts() -> None:
    world = atoms({"cuda": "a", "app": "a", "lib": "a"}, {"cuda": 900 * MIB, "app": 5, "lib": 7})
    assert named(plan(world)) == {"a": ["app+lib", "cuda"]}
    assert named(plan(world, budget=1)) == {"a": ["app+cuda+lib"]}


def test_what_nobody_depends_on_is_apart_however_small_it_is() -> None:
    world = [
        Atom("app", 5, frozenset("a")),
        Atom("lib", 20 * MIB, frozenset("a"), dependents=1),
        Atom("libc", 2 * MIB, frozenset("a"), dependents=9),
    ]
    assert named(plan(world, budget=2)) == {"a": ["lib+libc", "app"]}
    assert named(plan(world, budget=3)) == {"a": ["libc", "lib", "app"]}
    assert named(plan(world, budget=1)) == {"a": ["app+lib+libc"]}


def test_popularity_counts_by_magnitude() -> None:
    def world(low: int, high: int) -> list[Atom]:
        return [
            Atom("a", 4 * MIB, frozenset("i"), dependents=low),
            Atom("b", 4 * MIB, frozenset("i"), dependents=low),
            Atom("c", 4 * MIB, frozenset("i"), dependents=high),
        ]

    assert named(plan(world(2, 4), budget=2)) == {"i": ["c", "a+b"]}
    assert plan(world(2, 4), budget=2) == plan(world(3, 7), budget=2)


def test_tiny_packages_do_not_get_layers_of_their_own() -> None:
    world = atoms({f"p{number}": "a" for number in range(50)}, {f"p{n}": 1000 for n in range(50)})
    assert len(plan(world).layers) == 1


def test_an_empty_set_of_images_has_an_empty_plan() -> None:
    assert plan([]) == ((), {})
    assert plan([Atom("unused", 1, frozenset())]) == ((), {})


@pytest.mark.parametrize("budget", [0, -1, MAX_LAYERS + 1])
def test_a_budget_that_engines_cannot_mount_is_refused(budget: int) -> None:
    with pytest.raises(LimitError, match="1 to 127"):
        plan([], budget=budget)


def test_two_atoms_of_one_name_and_negative_sizes_are_refused() -> None:
    with pytest.raises(ConflictError, match="'x'"):
        plan([Atom("x", 1, frozenset("a")), Atom("x", 2, frozenset("b"))])
    with pytest.raises(InputError, match="-1 bytes"):
        plan([Atom("x", -1, frozenset("a"))])


@given(WORLDS, BUDGETS)
def test_every_image_gets_exactly_its_atoms_once_and_keeps_to_the_budget(
    world: list[Atom], budget: int
) -> None:
    result = plan(world, budget=budget)
    assert set(result.images) == {image for atom in world for image in atom.images}
    for image, numbers in result.images.items():
        placed = [atom for number in numbers for atom in result.layers[number].atoms]
        assert sorted(placed) == sorted(atom.id for atom in world if image in atom.images)
        assert 1 <= len(numbers) <= budget
        assert list(numbers) == sorted(numbers)
        assert all(image in result.layers[number].images for number in numbers)


@given(WORLDS, BUDGETS)
def test_layers_are_ordered_most_shared_first_and_all_are_different(
    world: list[Atom], budget: int
) -> None:
    layers = plan(world, budget=budget).layers
    counts = [len(layer.images) for layer in layers]
    assert counts == sorted(counts, reverse=True)
    assert len({layer.atoms for layer in layers}) == len(layers)
    assert all(layer.atoms and layer.images for layer in layers)


@given(WORLDS, BUDGETS, st.randoms(use_true_random=False))
def test_the_order_of_atoms_never_matters(
    world: list[Atom], budget: int, chance: random.Random
) -> None:
    shuffled = list(world)
    chance.shuffle(shuffled)
    assert plan(shuffled, budget=budget) == plan(world, budget=budget)


@given(WORLDS.filter(bool), BUDGETS, st.data())
def test_an_update_of_one_dependency_changes_one_layer_of_each_image(
    world: list[Atom], budget: int, data: st.DataObject
) -> None:
    number = data.draw(st.integers(0, len(world) - 1))
    old = world[number]
    low = 1 << (old.size.bit_length() - 1) if old.size else 0
    size = data.draw(st.integers(low, max(0, low * 2 - 1)))
    updated = [*world[:number], old._replace(size=size), *world[number + 1 :]]
    before, after = plan(world, budget=budget), plan(updated, budget=budget)
    assert after == before
    for numbers in after.images.values():
        changed = [layer for layer in numbers if old.id in after.layers[layer].atoms]
        assert len(changed) <= 1


@given(WORLDS, BUDGETS)
def test_a_plan_stores_no_more_than_separate_images_and_no_less_than_each_atom_once(
    world: list[Atom], budget: int
) -> None:
    worth = measured(plan(world, budget=budget), world)
    assert worth.least <= worth.stored <= worth.separate
    assert worth.separate == sum(atom.size * len(atom.images) for atom in world)


@given(WORLDS)
def test_with_budget_enough_the_plan_is_the_best_there_is(world: list[Atom]) -> None:
    worth = measured(plan(world, budget=MAX_LAYERS), world)
    assert worth.stored == worth.least


@given(WORLDS, BUDGETS)
def test_an_image_that_shares_nothing_changes_no_other(world: list[Atom], budget: int) -> None:
    alone = [Atom("zz1", 5 * MIB, frozenset("z")), Atom("zz2", 2 * MIB, frozenset("z"))]
    before = named(plan(world, budget=budget))
    after = named(plan([*world, *alone], budget=budget))
    assert {image: layers for image, layers in after.items() if image != "z"} == before


def test_a_thousand_images_are_planned_and_most_bytes_are_saved() -> None:
    chance = random.Random(7)
    names = [f"dep{number:03}" for number in range(300)]
    weights = [1 / (number + 1) for number in range(len(names))]
    images: dict[str, set[str]] = {name: set() for name in names}
    for number in range(1000):
        for name in chance.choices(names, weights, k=30):
            images[name].add(f"image{number}")
    world = [
        Atom(name, int(chance.lognormvariate(13, 2)), frozenset(users))
        for name, users in images.items()
    ]
    world += [Atom(f"own{number}", 50_000, frozenset({f"image{number}"})) for number in range(1000)]
    worth = measured(plan(world), world)
    assert (worth.separate - worth.stored) / (worth.separate - worth.least) > 0.8
