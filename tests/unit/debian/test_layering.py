"""Layers of packages: what is updated together lies together, and little else with it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lading.debian.layering import LARGE, SMALL_LAYER, plan_layers
from lading.debian.lock import LockedPackage


def package(name: str, size: int, source: str = "") -> LockedPackage:
    return LockedPackage(name, "1", source or name, "debian", f"pool/{name}", "0" * 64, size, ())


def test_packages_of_a_large_source_have_a_layer_and_the_small_share_one() -> None:
    packages = [
        package("libssl", LARGE - 1, "openssl"),
        package("legacy", 1, "openssl"),
        package("zlib", 10),
        package("expat", LARGE - 1),
    ]
    assert plan_layers(packages) == {"openssl": ("legacy", "libssl"), "small": ("expat", "zlib")}


def test_the_plan_covers_all_architectures() -> None:
    both = [package("lib", LARGE), package("lib", LARGE // 2), package("only", 1)]
    assert plan_layers(both) == {"lib": ("lib",), "small": ("only",)}


def test_many_small_sources_are_spread_over_several_layers() -> None:
    packages = [package(f"p{number}", LARGE - 1) for number in range(SMALL_LAYER // LARGE * 4)]
    assert 2 < len(plan_layers(packages)) <= 4


_PACKAGES = st.lists(
    st.builds(
        package,
        st.from_regex(r"[a-z]{2,4}", fullmatch=True),
        st.integers(1, 2 * LARGE),
        st.from_regex(r"[a-c]", fullmatch=True),
    ),
    unique_by=lambda each: each.name,
)


@given(_PACKAGES, st.randoms())
def test_every_package_is_in_one_layer_and_order_does_not_matter(packages, random) -> None:  # type: ignore[no-untyped-def]
    plan = plan_layers(packages)
    assert sorted(name for names in plan.values() for name in names) == sorted(
        each.name for each in packages
    )
    layer_of = {name: layer for layer, names in plan.items() for name in names}
    for one in packages:
        for other in packages:
            if one.source == other.source:
                assert layer_of[one.name] == layer_of[other.name]
    random.shuffle(packages)
    assert plan_layers(packages) == plan


def test_a_new_small_source_moves_no_other() -> None:
    packages = [package(f"p{number}", LARGE // 2) for number in range(40)]
    before = plan_layers(packages)
    after = plan_layers([*packages, package("new", 1)])
    assert set(before) == set(after)
    assert {name: set(names) - {"new"} for name, names in after.items()} == {
        name: set(names) for name, names in before.items()
    }
