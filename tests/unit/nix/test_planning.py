"""Layers of closures (S2.3): few, stable, and one changes when one object does."""

from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lading.errors import LimitError
from lading.nix import closure as closures
from lading.nix.closure import Closure, StorePath, check, resolve
from lading.nix.planning import Layers, dependents, plan_layers, reachable
from tests.unit.nix import graphs

_GRAPH = graphs.closure()


def load(salts: dict[str, str] | None = None) -> Closure:
    return closures.loads(graphs.path_info(_GRAPH, salts), what="generated")


def planned(closure: Closure, *images: str, budget: int = 10) -> Layers:
    roots = {image: [resolve(closure, image, what="images")] for image in images}
    return plan_layers(closure, roots, budget=budget)


def unhashed(layers: Layers) -> dict[str, list[str]]:
    """Layer to the names in it without hashes, which is what an update must leave alone."""
    return {name: sorted(base[33:] for base in bases) for name, bases in layers.layers.items()}


_NAMES = st.integers(0, 15)


@st.composite
def closures_(draw: st.DrawFn) -> Closure:
    """Any graph without circles, with sizes from nothing to 64 MiB."""
    count = draw(st.integers(1, 16))
    bases = [graphs.object_name(f"object{number}") for number in range(count)]
    paths = []
    for number, base in enumerate(bases):
        refers = draw(st.sets(st.sampled_from(bases[:number]))) if number else set()
        size = draw(st.integers(0, 1 << 26))
        paths.append(StorePath(base, "0" * 64, size, tuple(sorted(refers))))
    return check(paths, what="generated")


@given(closures_(), st.integers(1, 6), st.data())
def test_an_image_has_everything_it_reaches_once_within_the_budget(
    closure: Closure, budget: int, data: st.DataObject
) -> None:
    bases = sorted(closure.paths)
    images = data.draw(
        st.dictionaries(
            st.sampled_from("abc"), st.lists(st.sampled_from(bases), min_size=1), min_size=1
        )
    )
    result = plan_layers(closure, images, budget=budget)
    for image, roots in images.items():
        placed = [base for name in result.images[image] for base in result.layers[name]]
        assert sorted(placed) == sorted(reachable(closure, roots))
        assert 1 <= len(result.images[image]) <= budget


@given(closures_(), st.randoms(use_true_random=False))
def test_the_order_of_objects_never_matters(closure: Closure, random: Random) -> None:
    paths = list(closure.paths.values())
    random.shuffle(paths)
    images = {"all": closures.roots(closure)}
    shuffled = plan_layers(check(paths, what="generated"), images)
    assert shuffled == plan_layers(closure, images)
    assert shuffled == plan_layers(closure, {"all": images["all"][::-1]})


@given(closures_())
def test_dependents_are_counted_as_by_hand(closure: Closure) -> None:
    expected = {
        base: sum(base in reachable(closure, [other]) for other in closure.paths) - 1
        for base in closure.paths
    }
    assert dependents(closure) == expected


def test_a_circle_of_references_is_planned() -> None:
    one, two = graphs.object_name("one"), graphs.object_name("two")
    paths = [StorePath(one, "0" * 64, 5, (two,)), StorePath(two, "0" * 64, 5, (one,))]
    closure = check(paths, what="circle")
    assert dependents(closure) == {one: 1, two: 1}
    assert closures.roots(closure) == []
    assert len(plan_layers(closure, {"a": [one]}).layers) == 1


@given(closures_())
def test_layers_that_most_depend_on_are_lowest(closure: Closure) -> None:
    result = plan_layers(closure, {"all": list(closure.paths)})
    popular = dependents(closure)
    lowest = [min(popular[base] for base in result.layers[name]).bit_length()
              for name in result.images["all"]]  # fmt: skip
    assert lowest == sorted(lowest, reverse=True)


@settings(max_examples=50)
@given(closures_(), st.data())
def test_a_new_object_of_the_same_magnitude_changes_one_layer(
    closure: Closure, data: st.DataObject
) -> None:
    """A root that is built again: nothing depends on it, so no other hash changes."""
    images = {"all": closures.roots(closure)}
    old = closure.paths[data.draw(st.sampled_from(images["all"]))]
    low = 1 << (old.nar_size.bit_length() - 1) if old.nar_size else 0
    new = old._replace(
        base=graphs.object_name(old.name, "new"),
        nar_size=data.draw(st.integers(low, max(0, low * 2 - 1))),
    )
    updated = check([new if path is old else path for path in closure.paths.values()], what="new")
    before = plan_layers(closure, images)
    after = plan_layers(updated, {"all": closures.roots(updated)})
    changed = [
        name
        for name, other in zip(before.images["all"], after.images["all"], strict=True)
        if set(before.layers[name]) != set(after.layers[other])
    ]
    assert len(changed) == 1


def test_a_realistic_closure_is_planned_within_ten_layers() -> None:
    closure = load()
    assert len(closure.paths) == 600
    result = planned(closure, "server", "worker")
    assert all(3 <= len(names) <= 10 for names in result.images.values())
    # What both need is below what one needs, and the C library is at the bottom.
    lowest = result.images["server"][0]
    assert lowest == result.images["worker"][0]
    assert any(base.endswith("-glibc-2.40") for base in result.layers[lowest])
    shared = set(result.images["server"]) & set(result.images["worker"])
    stored = {base for name in shared for base in result.layers[name]}
    both = reachable(closure, [resolve(closure, "server", what="")]) & reachable(
        closure, [resolve(closure, "worker", what="")]
    )
    assert stored == both


def test_a_changed_program_sends_its_own_layer_and_no_other() -> None:
    before = planned(load(), "server", "worker")
    after = planned(load({"server-1.0": "new"}), "server", "worker")
    assert unhashed(before) == unhashed(after)
    changed = [name for name in before.layers if before.layers[name] != after.layers[name]]
    assert len(changed) == 1
    assert changed[0] == before.images["server"][-1]
    size = sum(load().paths[base].nar_size for base in before.layers[changed[0]])
    assert size < sum(path.nar_size for path in load().paths.values()) / 20


@pytest.mark.parametrize(
    ("name", "untouched"),
    [("python3.12-package220-0.220", 5), ("lib020-1.20", 0), ("glibc-2.40", 0)],
)
def test_an_update_moves_nothing(name: str, untouched: int) -> None:
    """Everything that depends on it gets a new hash, and stays in its layer."""
    before = planned(load(), "server", "worker")
    after = planned(load({name: "new"}), "server", "worker")
    assert unhashed(before) == unhashed(after)
    same = [name for name in before.images["server"] if before.layers[name] == after.layers[name]]
    assert same[:untouched] == list(before.images["server"][:untouched])


def test_layers_are_named_for_the_largest_object_in_them() -> None:
    names = list(planned(load(), "server", "worker").layers)
    assert len(set(names)) == len(names)
    assert "python3" in names
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in names)


@pytest.mark.parametrize("budget", [0, 128])
def test_a_budget_that_engines_cannot_mount_is_refused(budget: int) -> None:
    with pytest.raises(LimitError, match="1 to 127"):
        planned(load(), "server", budget=budget)


def test_a_budget_of_one_is_one_layer() -> None:
    assert len(planned(load(), "server", budget=1).layers) == 1
