"""What is installed for a requirement, and under which name (S1.4, S1.6)."""

from __future__ import annotations

import pytest

from lading.errors import ConflictError, InputError, UsageError
from lading.store import match
from lading.store.entry import Entry
from lading.store.match import Requirement
from lading.store.recipe import Recipe, recipe

_WANTED = Requirement("debian-13", "amd64", "gcc14", project="capy")


def _made(wanted: Requirement, *entries: Entry) -> Recipe:
    return recipe(match.plan(entries, wanted), wanted)


def _entry(name: str, **values: object) -> Entry:
    return Entry.from_values({"name": name, "architecture": "amd64", **values})


def test_a_compiler_is_its_packages_its_links_and_its_name() -> None:
    made = _made(_WANTED, _entry("capy-debian-13-base"))
    assert made.name.text == "capy-debian-13-gcc14"
    assert made.install == ("gcc-14", "g++-14", "libc6-dev")
    assert ("/usr/bin/gcc", "gcc-14") in made.links
    assert made.compilers == ("gcc14",)


def test_what_is_made_matches_at_100() -> None:
    for wanted in (
        _WANTED,
        Requirement("debian-13", "amd64", "clang19", ("make",), ("ninja",), ("asan",), "capy"),
        Requirement("debian-13", "amd64", "*", project="capy"),
        Requirement("debian-13", "amd64", "", ("make",), project="capy"),
    ):
        made = _made(wanted)
        entry = _entry(
            made.name.text,
            compilers=list(made.compilers),
            packages=list(made.packages),
            tools=list(made.tools),
        )
        assert match.plan([entry], wanted).best is not None


def test_a_missing_package_replaces_the_image_by_one_that_has_it() -> None:
    wanted = Requirement("debian-13", "amd64", "gcc14", ("make",), project="capy")
    old = _entry("capy-debian-13-gcc14", packages=["cmake"])
    made = _made(wanted, old)
    assert (made.name.text, made.install, made.links) == ("capy-debian-13-gcc14", ("make",), ())
    assert made.packages == ("cmake", "make")


def test_a_second_compiler_is_a_second_image_that_says_both() -> None:
    made = _made(_WANTED, _entry("capy-debian-13-gcc13"))
    assert made.name.text == "capy-debian-13-gcc14"
    assert made.compilers == ("gcc13", "gcc14")


def test_variants_bring_what_they_need() -> None:
    wanted = Requirement("debian-13", "amd64", "clang19", variants=("asan", "x86"), project="capy")
    made = _made(wanted)
    assert made.name.text == "capy-debian-13-clang19-asan-x86"
    assert {"libclang-rt-19-dev", "libc6-dev-i386"} <= set(made.install)


def test_a_tool_is_installed_by_its_package() -> None:
    made = _made(Requirement("debian-13", "amd64", tools=("ninja",), project="capy"))
    assert (made.install, made.tools) == (("ninja-build",), ("ninja",))


@pytest.mark.parametrize(
    ("wanted", "error", "says"),
    [
        (Requirement("debian-13", "amd64", "gcc14"), UsageError, "--project"),
        (Requirement("debian-13", "amd64", "tcc1", project="a"), InputError, "gcc14"),
        (Requirement("fedora-41", "amd64", "gcc", project="a"), InputError, "--compiler=gcc14"),
        (Requirement("debian-13", "amd64", variants=("fast",), project="a"), InputError, "asan"),
    ],
)
def test_what_nothing_is_known_about_is_refused(
    wanted: Requirement, error: type[InputError], says: str
) -> None:
    with pytest.raises(error) as caught:
        _made(wanted)
    assert says in str(caught.value)


def test_the_image_of_another_architecture_is_never_replaced() -> None:
    with pytest.raises(ConflictError, match="arm64"):
        _made(_WANTED, _entry("capy-debian-13-gcc14", architecture="arm64"))
