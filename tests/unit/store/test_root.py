"""Where the store is (contract: flag, LADING_STORE, user's data directory)."""

from __future__ import annotations

from pathlib import Path

import pytest

from lading.errors import InputError
from lading.store.root import store_root

HOME = {"HOME": "/home/u"}


def test_the_flag_wins_over_the_environment() -> None:
    assert store_root("/a", {**HOME, "LADING_STORE": "/b"}) == Path("/a")


def test_the_variable_wins_over_the_default() -> None:
    assert store_root("", {**HOME, "LADING_STORE": "/b/../c"}) == Path("/c")


def test_the_default_is_the_users_data_directory() -> None:
    assert store_root("", HOME) == Path("/home/u/.local/share/lading")
    assert store_root("", {**HOME, "XDG_DATA_HOME": "/data"}) == Path("/data/lading")


@pytest.mark.parametrize("value", ["", "relative/path"])
def test_an_empty_or_relative_data_home_is_ignored(value: str) -> None:
    assert store_root("", {**HOME, "XDG_DATA_HOME": value}) == Path("/home/u/.local/share/lading")


def test_an_empty_variable_is_an_unset_one() -> None:
    assert store_root("", {**HOME, "LADING_STORE": ""}) == Path("/home/u/.local/share/lading")


def test_a_relative_path_is_relative_to_where_the_user_typed_it() -> None:
    env = {**HOME, "BUILD_WORKING_DIRECTORY": "/work/src"}
    assert store_root("s", env) == Path("/work/src/s")
    assert store_root("s", HOME) == Path.cwd() / "s"


def test_a_tilde_is_the_home_directory() -> None:
    assert store_root("~/s", HOME) == Path("/home/u/s")
    assert store_root("~", HOME) == Path("/home/u")


def test_without_a_home_directory_the_user_is_told_what_to_give() -> None:
    with pytest.raises(InputError, match="--store"):
        store_root("", {})
