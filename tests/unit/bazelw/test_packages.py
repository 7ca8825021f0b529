"""The packages of requirements.lock are there, in the versions that the lock names."""

from __future__ import annotations

import importlib
import importlib.metadata

import pytest


@pytest.mark.parametrize("module", ["deflate", "rich", "starlette", "uvicorn", "yaml", "zstandard"])
def test_package_is_importable_with_all_it_needs(module: str) -> None:
    importlib.import_module(module)


def test_metadata_of_packages_is_readable() -> None:
    assert importlib.metadata.version("zstandard")
