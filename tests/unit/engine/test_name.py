from __future__ import annotations

import pytest

from lading.engine.name import image_name, is_whole, split
from lading.errors import InputError


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("app", "app:latest"),
        ("app:dev", "app:dev"),
        ("localhost:5000/team/app", "localhost:5000/team/app:latest"),
        ("registry.example.com/app:v1.0_2", "registry.example.com/app:v1.0_2"),
        ("team/app:A", "team/app:A"),
        ("localhost/app", "localhost/app:latest"),
    ],
)
def test_names_that_engines_take(text: str, name: str) -> None:
    assert image_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "App",
        "app:",
        "app:-x",
        ":dev",
        "app\n",
        "app:dev\n",
        "a//b",
        "app@sha256:" + "0" * 64,
        "../x",
        "registry.example.com/App",
        "localhost:port/app",
        "localhost/",
    ],
)
def test_names_that_engines_refuse(text: str) -> None:
    with pytest.raises(InputError):
        image_name(text)


def test_a_digest_is_said_to_be_the_reason() -> None:
    with pytest.raises(InputError, match="has a digest"):
        image_name("app@sha256:" + "0" * 64)


@pytest.mark.parametrize(
    ("tag", "repository", "whole"),
    [
        ("dev", "app", False),
        ("dev", "", True),
        ("app:dev", "app", True),
        ("team/app", "app", True),
    ],
)
def test_a_tag_may_be_a_whole_name(tag: str, repository: str, whole: bool) -> None:
    assert is_whole(tag, repository) is whole


def test_a_port_is_no_tag() -> None:
    assert split("localhost:5000/app") == ("localhost:5000/app", "latest")
