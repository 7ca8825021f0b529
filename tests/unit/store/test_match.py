"""Which image fits a requirement (S1.3): points, ties, what is left open there."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from lading.store.entry import Entry
from lading.store.match import Plan, Requirement, plan, score

_WANTED = Requirement("ubuntu-24.04", "amd64", compiler="gcc13")


def _entry(name: str = "capy-ubuntu-24.04-gcc13", **changes: object) -> Entry:
    values = {"name": name, "architecture": "amd64", "packages": [], **changes}
    return Entry.from_values(values)


@pytest.mark.parametrize(
    ("entry", "essentials"),
    [
        (_entry(), 100),
        (_entry("capy-ubuntu-24.04-base"), 70),
        (_entry("capy-ubuntu-24.04-gcc14"), 70),
        (_entry("capy-ubuntu-25.04-gcc13"), 0),
        (_entry("capy-debian-13-gcc13"), 0),
        (_entry(architecture="arm64"), 0),
        (_entry(architecture="x86_64"), 100),
        (_entry("capy-ubuntu-24.04-gcc13-asan"), 0),
        (_entry("capy-ubuntu-24.04-clang20-gcc13"), 100),
    ],
    ids=lambda value: value.name if isinstance(value, Entry) else "",
)
def test_essentials(entry: Entry, essentials: int) -> None:
    assert score(entry, _WANTED).essentials == essentials


def test_extras_are_10_a_package_20_a_tool_10_for_a_tool_found_as_a_package() -> None:
    entry = _entry(packages=["git", "cmake"], tools=["ninja"])
    wanted = replace(_WANTED, packages=("git", "curl"), tools=("ninja", "cmake", "go"))
    scored = score(entry, wanted)
    assert scored.extras == 10 + 20 + 10
    assert scored.missing == ("curl", "go")
    assert scored.score == 140


@pytest.mark.parametrize(
    ("compiler", "found"),
    [
        ("", True),
        ("*", True),
        ("gcc", True),
        ("gcc-*", True),
        ("gcc13", True),
        ("gcc-13", True),
        ("gcc:13", True),
        ("GCC13", True),
        ("gcc1", False),
        ("gcc14", False),
        ("clang", False),
    ],
)
def test_compilers(compiler: str, found: bool) -> None:
    essentials = score(_entry(), replace(_WANTED, compiler=compiler)).essentials
    assert essentials == (100 if found else 70)


def test_a_base_has_no_compiler_at_all() -> None:
    assert score(_entry("capy-ubuntu-24.04-base"), replace(_WANTED, compiler="*")).essentials == 70


@pytest.mark.parametrize(
    ("name", "variants", "essentials"),
    [
        ("capy-ubuntu-24.04-gcc13-asan", ("asan",), 100),
        ("capy-ubuntu-24.04-gcc13", ("asan",), 70),
        ("capy-ubuntu-24.04-gcc13-cov", ("asan",), 0),
        ("capy-ubuntu-24.04-gcc13-asan-cov", ("asan",), 0),
        ("capy-ubuntu-24.04-gcc13-asan-cov", ("cov", "asan"), 100),
    ],
)
def test_variants_match_exactly(name: str, variants: tuple[str, ...], essentials: int) -> None:
    assert score(_entry(name), replace(_WANTED, variants=variants)).essentials == essentials


def test_the_most_extras_win_among_images_at_100() -> None:
    few = _entry("a-ubuntu-24.04-gcc13", packages=["git"])
    many = _entry("b-ubuntu-24.04-gcc13", packages=["git", "cmake"])
    base = _entry("c-ubuntu-24.04-base", packages=["git", "cmake"], tools=["x", "y"])
    wanted = replace(_WANTED, packages=("git", "cmake"), tools=("x", "y"), allow_missing=True)
    assert _best(plan([few, many, base], wanted)) == many.name


def test_something_missing_on_the_best_needs_a_build() -> None:
    wanted = replace(_WANTED, packages=("git",))
    found = plan([_entry()], wanted)
    assert found.needs_build
    assert found.base is not None
    assert found.base.missing == ("git",)
    assert not plan([_entry()], replace(wanted, allow_missing=True)).needs_build


def test_without_a_compiler_the_best_base_is_named() -> None:
    base = _entry("capy-ubuntu-24.04-base")
    other = _entry("capy-debian-13-base")
    found = plan([other, base], _WANTED)
    assert found.best is None
    assert found.base is not None
    assert found.base.entry.name == base.name


def test_nothing_fits() -> None:
    found = plan([_entry("capy-debian-13-gcc13")], _WANTED)
    assert (found.best, found.base, found.needs_build) == (None, None, True)
    [only] = found.considered
    assert only.reasons == ("os is debian-13, not ubuntu-24.04",)


def test_ties_by_last_use_then_count_then_size_then_name() -> None:
    ordered = [
        _entry("e-ubuntu-24.04-gcc13", last_used="2026-02-01T00:00:00Z", usage_count=1),
        _entry("d-ubuntu-24.04-gcc13", last_used="2026-01-01T00:00:00Z", usage_count=9, size_mb=9),
        _entry("c-ubuntu-24.04-gcc13", last_used="2026-01-01T00:00:00Z", usage_count=8, size_mb=1),
        _entry("a-ubuntu-24.04-gcc13", last_used="2026-01-01T00:00:00Z", usage_count=8, size_mb=2),
        _entry("b-ubuntu-24.04-gcc13", last_used="2026-01-01T00:00:00Z", usage_count=8, size_mb=2),
    ]
    for mixed in itertools.permutations(ordered):
        found = plan(mixed, _WANTED)
        assert [item.entry.name for item in found.considered] == [item.name for item in ordered]


#: Of five programs, later and later; the first and the last as lading writes them.
TIMES = [
    "2026-01-31T11:00:00Z",
    "2026-01-31T13:30:00+02:00",
    "2026-01-31 12:00:00.250000+00:00",
    "2026-01-31 13:00:00",
    "2026-01-31T14:00:00Z",
]


def test_the_last_use_is_a_time_and_not_a_text() -> None:
    entries = [
        _entry(f"{letter}-ubuntu-24.04-gcc13", last_used=time)
        for letter, time in zip("edcba", TIMES, strict=True)
    ]
    found = plan(entries, _WANTED)
    assert [item.entry.last_used for item in found.considered] == TIMES[::-1]


def _best(found: Plan) -> str:
    assert found.best is not None
    return found.best.entry.name
