"""What tests of failing builds share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Path]:
    """A directory for outputs, which has to be empty in the end."""
    directory = tmp_path / "out"
    directory.mkdir()
    yield directory
    assert list(directory.iterdir()) == []
