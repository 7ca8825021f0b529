"""What tests of layers share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Path]:
    """A directory for outputs, which has to be empty in the end."""
    directory = tmp_path / "out"
    directory.mkdir()
    yield directory
    assert list(directory.iterdir()) == []


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read."""
    names: list[str] = []
    system = os.open

    def recorded(path: str, *arguments: Any, **options: Any) -> int:
        if "/src/" in path:
            names.append(os.path.basename(path))
        return system(path, *arguments, **options)

    monkeypatch.setattr(os, "open", recorded)
    return names
