"""Destinations by context (S2.7): what a file may say, and what is said about one that is wrong."""

from __future__ import annotations

import pytest

from lading.commands import destinations
from lading.errors import ConflictError, InputError, NotFoundError
from lading.oci.digest import Digest
from lading.registry.session import Session

_FILE = b"""
default: overlay
contexts:
  upstream:
    registry: registry.example.com
    repository_prefix: org
    tags: {allowed: ["sha256-*", latest], mutable: [latest]}
  overlay:
    registry: localhost:5000
    repository_prefix: group/team
  bare: {registry: "127.0.0.1"}
"""
_OLD, _NEW = Digest.of(b"old"), Digest.of(b"new")


def _parse(text: str) -> destinations.Destinations:
    return destinations.parse(text.encode(), what="file.yaml")


def test_a_context_is_a_registry_with_a_prefix() -> None:
    found = destinations.parse(_FILE, what="file.yaml")
    upstream = found.choose("upstream")
    assert (upstream.registry, upstream.repository("app")) == ("registry.example.com", "org/app")
    assert found.choose("overlay").repository("app") == "group/team/app"
    assert found.choose("bare").repository("app") == "app"


def test_without_a_choice_the_default_counts() -> None:
    assert destinations.parse(_FILE, what="file.yaml").choose("").name == "overlay"


def test_a_file_without_end_is_not_read() -> None:
    with pytest.raises(InputError, match=r"file\.yaml is larger than"):
        _parse("#" * (1024 * 1024 + 1))


def test_tags_of_a_context() -> None:
    found = destinations.parse(_FILE, what="file.yaml")
    repository = Session().repository("localhost:1", "x")
    policy = found.choose("upstream").policy
    policy.check(["latest", f"sha256-{_NEW.hex}"], repository)
    policy.check_move("latest", _OLD, _NEW, repository)
    with pytest.raises(ConflictError, match="the context upstream does not allow it") as caught:
        policy.check(["v1"], repository)
    assert caught.value.fix == "allowed: sha256-*, latest"
    with pytest.raises(ConflictError, match="is immutable"):
        policy.check_move(f"sha256-{_NEW.hex}", _OLD, _NEW, repository)
    policy.check_move(f"sha256-{_OLD.hex}", _OLD, _OLD, repository)  # which is no move
    found.choose("overlay").policy.check_move("v1", _OLD, _NEW, repository)


def test_what_is_set_once() -> None:
    policy = destinations.parse(_FILE, what="file.yaml").choose("upstream").policy
    found = {tag: policy.is_set_once(tag) for tag in ("latest", "v1", f"sha256-{_NEW.hex}")}
    assert found == {"latest": False, "v1": True, f"sha256-{_NEW.hex}": False}


def test_tags_without_mutable_never_move() -> None:
    found = _parse("contexts: {a: {registry: localhost, tags: {allowed: ['v*']}}}")
    repository = Session().repository("localhost:1", "x")
    with pytest.raises(ConflictError, match="is immutable") as caught:
        found.choose("a").policy.check_move("v1", _OLD, _NEW, repository)
    assert caught.value.fix.endswith("lets only these move: none")


def test_an_unknown_context_is_answered_with_the_known_ones() -> None:
    with pytest.raises(NotFoundError) as caught:
        destinations.parse(_FILE, what="file.yaml").choose("prod")
    assert str(caught.value) == (
        "file.yaml has no context 'prod'\n  there are: bare, overlay, upstream"
    )


def test_a_missing_choice_is_answered_with_the_known_ones() -> None:
    with pytest.raises(NotFoundError, match="no context is chosen"):
        _parse("contexts: {a: {registry: localhost}}").choose("")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no mapping"),
        ("- a", "is no mapping"),
        ("contexts: [", "is not YAML, line"),
        ("contexts: {}", "lists no contexts"),
        ("contexts: {a: {}}", "a has no registry"),
        ("contexts: {a: {registry: 5}}", "registry is 5, not a text"),
        ("contexts: {a: {registry: 'a b'}}", "'a b' is not a registry"),
        ("contexts: {a: {registry: localhost, repository_prefix: Big}}", "'Big'"),
        ("contexts: {a: {registry: localhost, prefix: x}}", "unknown key 'prefix'"),
        ("contexts: {a: {registry: localhost, tags: {allow: x}}}", "unknown key 'allow'"),
        ("contexts: {a: {registry: localhost, tags: {allowed: x}}}", "allowed is no list"),
        ("default: b\ncontexts: {a: {registry: localhost}}", "no context 'b'"),
        ("a: !!python/object:os.system x", "line 1: it has the tag"),
        (
            "contexts:\n  a: {registry: a.example}\n  a: {registry: b.example}",
            "line 3: it has the key 'a' a second",
        ),
        (
            "contexts: {a: {registry: a.example, registry: b.example}}",
            "the key 'registry' a second time",
        ),
        ("contexts: {? [a] : {registry: localhost}}", "a key that is no text"),
        ("&a [*a, *a]", "line 1: it has an alias (*a)"),
        ("x: 1\ncontexts: {a: {registry: localhost}}", "unknown key 'x'"),
    ],
)
def test_a_wrong_file_is_explained(text: str, says: str) -> None:
    with pytest.raises((InputError, NotFoundError)) as caught:
        _parse(text)
    assert "file.yaml" in str(caught.value)
    assert says in str(caught.value)
