"""Relations between packages (Debian Policy 7.1)."""

from __future__ import annotations

import pytest

from lading.debian.relation import Relation, parse_relations
from lading.errors import InputError


def test_groups_alternatives_versions_and_qualifiers() -> None:
    assert parse_relations(
        "libc6 (>= 2.38), debconf (>= 0.5) | debconf-2.0 , python3:any(<<4)"
    ) == (
        (Relation("libc6", "", ">=", "2.38"),),
        (Relation("debconf", "", ">=", "0.5"), Relation("debconf-2.0")),
        (Relation("python3", "any", "<<", "4"),),
    )


def test_empty_fields_and_stray_commas_mean_nothing() -> None:
    assert parse_relations("") == ()
    assert parse_relations(" , libc6,") == ((Relation("libc6"),),)


@pytest.mark.parametrize("text", ["libc6 (2)", "libc6 (~ 2)", "Libc6", "a b", "a (>= 1", "a | "])
def test_what_is_no_relation_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_relations(text)


def test_a_provided_package_without_version_meets_no_versioned_relation() -> None:
    assert Relation("a").allows_provided("")
    assert Relation("a").allows("1")
    assert not Relation("a", "", ">=", "2").allows("1")
    assert not Relation("a", "", ">=", "1").allows_provided("")
    assert Relation("a", "", ">=", "1").allows_provided("1")
