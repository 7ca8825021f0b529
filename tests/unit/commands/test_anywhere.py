"""What a command takes for an image."""

from __future__ import annotations

from pathlib import Path

import pytest

from lading.commands import anywhere, registry, verify
from lading.errors import InputError, NotFoundError


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


def test_a_directory_whose_name_has_a_colon_is_itself(tmp_path: Path) -> None:
    place = tmp_path / "9:30"
    place.mkdir()
    with (
        pytest.raises(NotFoundError, match="9:30"),
        anywhere.opened(str(place), lambda: pytest.fail("no session is needed")),
    ):
        pass


def test_a_layout_without_a_directory_is_not_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("oci:", "oci::v1"):
        with pytest.raises(InputError, match="names no directory"):
            registry.main(["copy", "oci:x", name])
        with pytest.raises(InputError, match="names no directory"):
            registry.main(["copy", name, "oci:x"])
    assert not list(tmp_path.iterdir())
