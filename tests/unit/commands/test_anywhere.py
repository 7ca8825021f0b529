"""What a command takes for an image."""

from __future__ import annotations

import pytest

from lading.commands import anywhere, verify
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


def test_neither_is_one_to_verify() -> None:
    with pytest.raises(InputError, match=r"there is no build/image:v1.*no registry") as caught:
        verify.main(["build/image:v1"])
    assert "oci:DIRECTORY" in caught.value.fix
