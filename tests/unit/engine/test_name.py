from __future__ import annotations

import pytest

from lading.engine.name import image_name, split
from lading.errors import InputError


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("app", "app:latest"),
        ("app:dev", "app:dev"),
        ("localhost:5000/team/app", "localhost:5000/team/app:latest"),
        ("registry.example.com/app:v1.0_2", "registry.example.com/app:v1.0_2"),
        ("team/app:A", "team/app:A"),
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
    ],
)
def test_names_that_engines_refuse(text: str) -> None:
    with pytest.raises(InputError):
        image_name(text)


def test_a_port_is_no_tag() -> None:
    assert split("localhost:5000/app") == ("localhost:5000/app", "latest")
