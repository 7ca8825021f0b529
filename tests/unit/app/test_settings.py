"""Flags and environment of the dashboard."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lading.errors import UsageError
from lading_dashboard.settings import LOOPBACK_NAMES, Settings

_HOME = {"HOME": "/home/me"}


def test_defaults_are_safe_and_local() -> None:
    settings = Settings.parse([], _HOME)
    assert settings.places == (Path("/home/me/.local/share/lading"),)
    assert (settings.host, settings.port) == ("127.0.0.1", 0)
    assert settings.allowed_hosts == LOOPBACK_NAMES


def test_environment_is_what_a_container_sets() -> None:
    environment = {
        "LADING_DASHBOARD_HOST": "0.0.0.0",
        "LADING_DASHBOARD_PORT": "8080",
        "LADING_DASHBOARD_ALLOWED_HOSTS": "Images.example.com, 10.0.0.7",
        "LADING_STORE": "/store",
    }
    settings = Settings.parse([], environment)
    assert settings.places == (Path("/store"),)
    assert (settings.host, settings.port) == ("0.0.0.0", 8080)
    assert settings.allowed_hosts == LOOPBACK_NAMES | {"images.example.com", "10.0.0.7"}


@pytest.mark.parametrize("flag", ["--allowed_hosts", "--allowed-hosts"])
def test_a_flag_may_have_dashes(flag: str) -> None:
    assert "a.example.com" in Settings.parse([f"{flag}=a.example.com"], _HOME).allowed_hosts


def test_flags_win_over_the_environment() -> None:
    environment = {"LADING_DASHBOARD_PORT": "8080", "LADING_STORE": "/store"}
    settings = Settings.parse(["--port=9090", "/one", "/two"], environment)
    assert settings.port == 9090
    assert settings.places == (Path("/one"), Path("/two"))


def test_relative_paths_are_relative_to_where_the_user_is(tmp_path: Path) -> None:
    environment = {"BUILD_WORKING_DIRECTORY": str(tmp_path)}
    assert Settings.parse(["layout"], environment).places == (tmp_path / "layout",)
    assert Settings.parse(["layout"], {}).places == (Path(os.getcwd()) / "layout",)


@pytest.mark.parametrize(
    ("host", "name"), [("10.1.2.3", "10.1.2.3"), ("fd00::1", "[fd00::1]"), ("NODE7", "node7")]
)
def test_address_that_is_bound_is_answered_to(host: str, name: str) -> None:
    assert name in Settings.parse([f"--host={host}"], _HOME).allowed_hosts


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_every_address_is_no_name_to_answer_to(host: str) -> None:
    assert Settings.parse([f"--host={host}"], _HOME).allowed_hosts == LOOPBACK_NAMES


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("--port=65536", "is not a port"),
        ("--port=-1", "is not a port"),
        ("--port=８０", "is not a port"),
        ("--port=http", "is not a port"),
        ("--allowed_hosts=a b", "is not a host name"),
        ("--allowed_hosts=example.com:80", "is not a host name"),
        ("--allowed_hosts=*.example.com", "is not a host name"),
        ("--alowed_hosts=x", "unrecognized"),
    ],
)
def test_wrong_flag_is_refused(argument: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        Settings.parse([argument], _HOME)
    assert caught.value.fix
