"""What a command takes for an image."""

from __future__ import annotations

import pytest

from lading.commands import anywhere
from lading.errors import InputError


@pytest.mark.parametrize("name", ["build/image_oci", "image", "build/image:v1"])
def test_a_path_that_is_not_there_is_not_asked_of_a_registry(name: str) -> None:
    """The mistake is more often in a path than in the name of a registry; both are said."""
    with (
        pytest.raises(InputError, match=f"there is no {name}.*names no registry") as caught,
        anywhere.opened(name, lambda: pytest.fail("no session is needed")),
    ):
        pass
    assert "oci:DIRECTORY" in caught.value.fix
