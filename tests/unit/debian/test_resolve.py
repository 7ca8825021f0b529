"""Dependency closures: what is chosen, in which order it does not matter, and what is refused."""

from __future__ import annotations

import itertools

import pytest

from lading.debian.index import Index
from lading.debian.resolve import Resolution, resolve
from lading.errors import ConflictError, CorruptError, InputError, NotFoundError

SHA = "0" * 64


def stanza(name: str, version: str = "1", architecture: str = "amd64", **fields: str) -> str:
    lines = [
        f"Package: {name}",
        f"Version: {version}",
        f"Architecture: {architecture}",
        f"Filename: pool/{name}_{version.replace(':', '_')}.deb",
        "Size: 1",
        f"SHA256: {SHA}",
        *(f"{key.replace('_', '-').title()}: {value}" for key, value in fields.items()),
        "Description: text",
        " Depends: is not a field here",
    ]
    return "\n".join(lines) + "\n"


def index(*stanzas: str, security: tuple[str, ...] = ()) -> Index:
    result = Index("amd64")
    result.add("\n".join(stanzas), "debian")
    result.add("\n".join(security), "security")
    return result


def names(resolution: Resolution) -> list[str]:
    return list(resolution.packages)


def test_closure_follows_depends_and_pre_depends() -> None:
    offers = index(
        stanza("app", depends="lib (>= 1)", pre_depends="early"),
        stanza("lib", "1.2", depends="data:any"),
        stanza("data", architecture="all"),
        stanza("early"),
        stanza("unrelated"),
    )
    found = resolve(offers, ["app"])
    assert names(found) == ["app", "data", "early", "lib"]
    assert found.depends["app"] == {"lib", "early"}


def test_highest_version_of_all_archives_wins() -> None:
    offers = index(stanza("lib", "1.9-1"), security=(stanza("lib", "1.10-1"),))
    assert resolve(offers, ["lib"]).packages["lib"].archive == "security"
    offers = index(stanza("lib", "1.10-2"), security=(stanza("lib", "1.10-1"),))
    assert resolve(offers, ["lib"]).packages["lib"].archive == "debian"


def test_packages_of_other_architectures_are_not_offered() -> None:
    offers = index(stanza("lib", "2", architecture="arm64"), stanza("lib", "1"))
    assert resolve(offers, ["lib"]).packages["lib"].version == "1"
    with pytest.raises(NotFoundError, match="needs lib:arm64"):
        resolve(index(stanza("app", depends="lib:arm64"), stanza("lib")), ["app"])


def test_first_alternative_is_taken_when_none_is_there() -> None:
    offers = index(stanza("app", depends="b | a"), stanza("a"), stanza("b"))
    assert names(resolve(offers, ["app"])) == ["app", "b"]


def test_an_alternative_that_something_else_needs_is_enough() -> None:
    offers = index(
        stanza("app", depends="b | a, other"),
        stanza("other", depends="third"),
        stanza("third", depends="a"),
        stanza("a"),
        stanza("b"),
    )
    assert names(resolve(offers, ["app"])) == ["a", "app", "other", "third"]


def test_an_alternative_that_does_not_exist_or_is_too_old_is_passed_over() -> None:
    offers = index(stanza("app", depends="gone | a (>= 2) | b"), stanza("a", "1"), stanza("b"))
    assert names(resolve(offers, ["app"])) == ["app", "b"]


def test_a_virtual_package_with_one_provider_is_that_provider() -> None:
    offers = index(stanza("app", depends="mta"), stanza("postfix", provides="mta"))
    found = resolve(offers, ["app"])
    assert names(found) == ["app", "postfix"]
    assert found.depends["app"] == {"postfix"}


def test_a_versioned_provides_meets_a_versioned_relation() -> None:
    offers = index(stanza("app", depends="abi (= 3)"), stanza("lib", provides="abi (= 3)"))
    assert names(resolve(offers, ["app"])) == ["app", "lib"]
    offers = index(stanza("app", depends="abi (= 4)"), stanza("lib", provides="abi (= 3)"))
    with pytest.raises(NotFoundError, match=r"needs abi \(= 4\)"):
        resolve(offers, ["app"])


def test_a_virtual_package_with_several_providers_is_no_guess() -> None:
    offers = index(
        stanza("app", depends="mta"),
        stanza("exim", provides="mta"),
        stanza("postfix", provides="mta"),
    )
    with pytest.raises(InputError, match="provided by exim, postfix"):
        resolve(offers, ["app"])
    assert names(resolve(offers, ["app", "postfix"])) == ["app", "postfix"]


def test_excluded_packages_count_as_there() -> None:
    offers = index(
        stanza("app", depends="debconf (>= 1) | debconf-2.0, mta"),
        stanza("debconf", depends="perl"),
        stanza("exim", provides="mta"),
    )
    found = resolve(offers, ["app"], exclude={"debconf": "why", "exim": "why"})
    assert names(found) == ["app"]
    assert found.excluded == {"debconf", "exim"}
    with pytest.raises(InputError, match="both asked for and excluded"):
        resolve(offers, ["debconf"], exclude={"debconf": "why"})


def test_packages_below_are_used_and_kept() -> None:
    offers = index(stanza("app", depends="a | b"), stanza("a"), stanza("b"))
    below = resolve(offers, ["b"]).packages
    assert names(resolve(offers, ["app"], below=below)) == ["app", "b"]


def test_cycles_end() -> None:
    offers = index(stanza("a", depends="b"), stanza("b", depends="a"))
    assert names(resolve(offers, ["a"])) == ["a", "b"]


def test_order_of_stanzas_and_roots_changes_nothing() -> None:
    stanzas = [
        stanza("app", depends="x | y, mta"),
        stanza("tool", depends="y | x"),
        stanza("x", depends="z"),
        stanza("y"),
        stanza("z", provides="mta"),
    ]
    results = {
        tuple(names(resolve(index(*order), roots)))
        for order in itertools.permutations(stanzas)
        for roots in (["app", "tool"], ["tool", "app"])
    }
    assert len(results) == 1


def test_conflicts_and_breaks_are_refused() -> None:
    with pytest.raises(ConflictError, match=r"a 1 conflicts with b \(<< 2\)"):
        resolve(index(stanza("a", breaks="b (<< 2)"), stanza("b")), ["a", "b"])
    with pytest.raises(ConflictError, match="the closure has b 1"):
        resolve(index(stanza("a", conflicts="v"), stanza("b", provides="v")), ["a", "b"])


def test_a_package_may_conflict_with_what_it_provides() -> None:
    offers = index(stanza("a", conflicts="v", provides="v"), stanza("b", "2"))
    assert names(resolve(offers, ["a", "b"])) == ["a", "b"]


def test_a_missing_root_suggests_what_was_meant() -> None:
    offers = index(stanza("libssl3t64"), stanza("postfix", provides="mta"))
    with pytest.raises(NotFoundError) as missing:
        resolve(offers, ["libssl3"])
    assert "libssl3t64" in missing.value.fix
    with pytest.raises(NotFoundError) as virtual:
        resolve(offers, ["mta"])
    assert "postfix" in virtual.value.fix


def test_an_unmet_dependency_names_both_sides_and_what_there_is() -> None:
    offers = index(stanza("app", "3", depends="lib (>= 2)"), stanza("lib", "1.5"))
    with pytest.raises(NotFoundError, match=r"app 3 needs lib \(>= 2\); the suite has lib 1.5"):
        resolve(offers, ["app"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Filename", "../../etc/passwd"),
        ("Filename", "/etc/passwd"),
        ("Filename", "pool/a b.deb"),
        ("SHA256", "00"),
        ("Size", "big"),
    ],
)
def test_a_stanza_that_would_leave_the_mirror_or_has_no_hash_is_refused(
    field: str, value: str
) -> None:
    lines = [line for line in stanza("a").split("\n") if not line.startswith(f"{field}:")]
    lines.insert(1, f"{field}: {value}")
    with pytest.raises(CorruptError):
        resolve(index("\n".join(lines)), ["a"])


def test_a_field_that_occurs_twice_is_refused() -> None:
    with pytest.raises(CorruptError, match="occurs twice"):
        resolve(index(stanza("a").replace("Size: 1", "Size: 1\nSize: 2")), ["a"])
