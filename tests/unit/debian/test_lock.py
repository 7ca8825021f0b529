"""The lock file: one text for one content, read strictly, and what changed since the last."""

from __future__ import annotations

import dataclasses
import json

import pytest

from lading.commands.lock_report import report
from lading.debian.changes import changed_layers, changes
from lading.debian.lock import Lock, LockedPackage, dump, load
from lading.errors import CorruptError


def package(
    name: str, version: str = "1", archive: str = "debian", size: int = 2048
) -> LockedPackage:
    return LockedPackage(
        name, version, name, archive, f"pool/{name}.deb", "ab" * 32, size, ("libc6",)
    )


def lock(*packages: LockedPackage) -> Lock:
    table = {each.name: each for each in packages}
    names = tuple(sorted(table))
    return Lock("trixie", {"all": {"amd64": names}}, {"all": {"small": names}}, {"amd64": table})


def test_text_is_canonical_and_one_line_a_package() -> None:
    one, two = lock(package("a"), package("b")), lock(package("b"), package("a"))
    assert dump(one) == dump(two)
    assert load(dump(one), "lock") == one
    assert sum('"pool/' in line for line in dump(one).splitlines()) == 2
    assert json.loads(dump(one))["packages"]["amd64"]["a"]["size"] == 2048


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"format": 1', '"format": 2'),
        ('"pool/a.deb"', '"../a.deb"'),
        ('"ab', '"AB'),
        ('"debian"', '"elsewhere"'),
        ('"a": {', '"A": {'),
        ('"size": 2048', '"size": "big"'),
        ('"suite"', '"siute"'),
        ("{", "", ),
    ],
)  # fmt: skip
def test_a_damaged_lock_is_refused_with_the_way_out(old: str, new: str) -> None:
    text = dump(lock(package("a")))
    assert old in text
    with pytest.raises(CorruptError) as failure:
        load(text.replace(old, new, 1), "debian.lock.json")
    assert "debian.lock.json" in failure.value.what
    assert "Error(" not in failure.value.what
    assert "//images:lock" in failure.value.fix


def test_changes_name_what_came_went_and_moved() -> None:
    old = lock(package("a"), package("b", "2"), package("gone"), package("same"))
    new = lock(package("a", "1.1", "security"), package("b", "1"), package("new"), package("same"))
    found = {change.name: change for change in changes(old, new)}
    assert sorted(found) == ["a", "b", "gone", "new"]
    assert found["a"].security
    assert not found["a"].downgrade
    assert found["b"].downgrade
    assert found["gone"].new is None
    assert found["new"].old is None
    assert changes(new, new) == []
    assert len(changes(None, new)) == 4


def test_a_fix_that_comes_with_a_point_release_is_one_too() -> None:
    old, new = (
        lock(package("a", "1"), package("b", "2")),
        lock(package("a", "3"), package("b", "3")),
    )
    found = {change.name: change for change in changes(old, new, {"amd64": {"a": "2", "b": "2"}})}
    assert found["a"].security
    assert not found["b"].security, "the old version had the fix"


def test_changed_layers_are_those_with_a_changed_package_or_another_set_of_them() -> None:
    packages = (package("a"), package("b", size=10), package("c", size=5))
    plan = {"one": {"x": ("a",), "y": ("b", "c")}}
    old = dataclasses.replace(lock(*packages), layers=plan)
    new = dataclasses.replace(
        lock(package("a"), package("b", "2", size=11), *packages[2:]), layers=plan
    )
    assert changed_layers(old, old) == {}
    assert changed_layers(old, new) == {"one.y": 16}
    moved = dataclasses.replace(old, layers={"one": {"x": ("a", "c"), "y": ("b",)}})
    assert changed_layers(old, moved) == {"one.x": 2053, "one.y": 10}
    assert report(changes(old, new), changed_layers(old, new)).endswith(
        "1 layer changed, 1 KiB: one.y"
    )


def test_a_lock_from_before_codenames_is_read() -> None:
    text = dump(lock(package("a"))).replace('  "codename": "",\n', "")
    assert load(text, "lock").codename == ""


def test_the_same_version_with_another_hash_is_a_change() -> None:
    other = dataclasses.replace(package("a"), sha256="cd" * 32)
    assert [change.name for change in changes(lock(package("a")), lock(other))] == ["a"]


def test_report_names_versions_sizes_security_and_downgrades() -> None:
    old = lock(package("a"), package("b", "2"))
    new = lock(package("a", "1.1", "security", 4096), package("b", "1"))
    lines = report(changes(old, new)).splitlines()
    assert lines[1].split() == ["a", "amd64", "1", "1.1", "4", "KiB", "(+2)", "security"]
    assert lines[2].endswith("DOWNGRADE")
    assert lines[3] == "2 packages changed, 1 with a security fix"
    assert report([]) == "no package changed"


def test_report_joins_architectures_that_change_alike() -> None:
    table = {"a": package("a")}
    new = Lock("trixie", {}, {}, {"amd64": table, "arm64": table})
    assert report(changes(None, new)).splitlines()[1].startswith("a        amd64, arm64")
