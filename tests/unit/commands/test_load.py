"""What a loaded image is called."""

from __future__ import annotations

import pytest

from lading.commands.load import image_names
from lading.errors import UsageError


@pytest.mark.parametrize(
    ("repository", "tags", "names"),
    [
        ("team/app", [], ["team/app:latest"]),
        ("team/app", ["v1", "other:v2"], ["team/app:v1", "other:v2"]),
        ("", ["app:dev"], ["app:dev"]),
        ("", ["app", "app:latest"], ["app:latest"]),
    ],
)
def test_a_tag_is_one_of_the_repository_or_a_whole_name(
    repository: str, tags: list[str], names: list[str]
) -> None:
    assert image_names(repository, tags) == names


@pytest.mark.parametrize("tags", [[], [":dev"]])
def test_an_image_without_a_name_is_an_error(tags: list[str]) -> None:
    with pytest.raises(UsageError, match="the image has no name"):
        image_names("", tags)
