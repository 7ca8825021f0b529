"""References: names of images in registries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.errors import InputError
from lading.oci.digest import Digest
from lading.oci.reference import Reference, check_repository, check_tag

DIGEST = Digest.of(b"x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost/app", Reference("localhost", "app")),
        ("localhost:5000/app", Reference("localhost:5000", "app")),
        ("localhost:5000/a/b:v1", Reference("localhost:5000", "a/b", "v1")),
        ("registry.example.com/a", Reference("registry.example.com", "a")),
        (f"registry.example.com/a@{DIGEST}", Reference("registry.example.com", "a", "", DIGEST)),
        (f"r.example.com/a:t@{DIGEST}", Reference("r.example.com", "a", "t", DIGEST)),
        ("[::1]:5000/a:t", Reference("[::1]:5000", "a", "t")),
        ("127.0.0.1:5000/a__b/c---d.e", Reference("127.0.0.1:5000", "a__b/c---d.e")),
    ],
)
def test_a_reference_is_read_and_written(text: str, expected: Reference) -> None:
    reference = Reference.parse(text)
    assert reference == expected
    assert str(reference) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ubuntu",
        "ubuntu:24.04",
        "library/ubuntu",
        "localhost",
        "localhost:5000",
        "localhost:5000/",
        "localhost:5000/App",
        "localhost:5000/app:",
        "localhost:5000/app:-x",
        "localhost:5000/app@",
        "localhost:5000/app@sha256:0",
        "localhost:5000/a//b",
        "localhost:5000/../etc",
        "localhost:5000/app\n",
        "host name.example/app",
        "https://registry.example.com/app",
        "user@registry.example.com/app",
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        Reference.parse(text)


def test_there_is_no_default_registry() -> None:
    with pytest.raises(InputError, match="names no registry"):
        Reference.parse("ubuntu:24.04")


@pytest.mark.parametrize("text", ["localhost:5000", "registry.example.com"])
def test_a_registry_alone_is_said_to_lack_a_repository(text: str) -> None:
    with pytest.raises(InputError, match="names no repository"):
        Reference.parse(text)


@pytest.mark.parametrize("tag", ["a" * 128, "_x", "1.2.3", "A-b_c."])
def test_tags(tag: str) -> None:
    assert check_tag(tag) == tag


@pytest.mark.parametrize("tag", ["", "a" * 129, ".x", "-x", "a:b", "a/b", "a\n", "é"])
def test_what_is_no_tag_is_refused(tag: str) -> None:
    with pytest.raises(InputError, match="is not a tag"):
        check_tag(tag)


@pytest.mark.parametrize("name", ["a", "a/b", "a-b", "a--b", "a_b", "a__b", "a.b", "0"])
def test_repositories(name: str) -> None:
    assert check_repository(name) == name


@pytest.mark.parametrize(
    "name", ["", "/", "a/", "/a", "A", "a_", "a___b", "a..b", "-a", "a:b", "a\n", "..", "a/../b"]
)
def test_what_is_no_repository_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="is not a repository"):
        check_repository(name)


def test_host_and_repository_together_have_255_characters_at_most() -> None:
    host = "registry.example.com"
    Reference(host, "a" * (255 - len(host) - 1))
    with pytest.raises(InputError, match="longer than 255"):
        Reference(host, "a" * (255 - len(host)))


COMPONENT = st.from_regex(r"[a-z0-9]+(?:[._-][a-z0-9]+)?", fullmatch=True).filter(
    lambda text: len(text) < 20
)


@given(
    st.lists(COMPONENT, min_size=1, max_size=4),
    st.just("") | st.from_regex(r"[\w][\w.-]{0,20}", fullmatch=True).filter(str.isascii),
    st.sampled_from([None, DIGEST]),
)
def test_every_valid_reference_reads_back(
    components: list[str], tag: str, digest: Digest | None
) -> None:
    reference = Reference("localhost:5000", "/".join(components), tag, digest)
    assert Reference.parse(str(reference)) == reference


@given(st.text("abc.:/@-_0", max_size=30))
def test_any_text_is_a_reference_or_an_input_error(text: str) -> None:
    try:
        assert str(Reference.parse(text)) == text
    except InputError:
        return
