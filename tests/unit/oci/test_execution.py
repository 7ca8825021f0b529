"""Execution parameters: what attributes may say."""

from __future__ import annotations

from typing import Any

import pytest

from lading.errors import InputError
from lading.oci.execution import ATTRIBUTES, parameters


def one(attribute: str, value: object, os: str = "linux") -> Any:
    return parameters({attribute: value}, os=os, what="//app:image")


def test_every_attribute_arrives_under_its_name_in_the_config() -> None:
    given = {
        "user": "app:1000",
        "working_dir": "/srv",
        "stop_signal": "SIGRTMIN+3",
        "entrypoint": ["/bin/app", ""],
        "cmd": ["--help"],
        "exposed_ports": ["8080", "53/udp", "09/sctp"],
        "volumes": ["/data"],
        "labels": {"a": ""},
    }
    assert set(given) == set(ATTRIBUTES)
    assert parameters(given, os="linux", what="x") == {
        "User": "app:1000",
        "WorkingDir": "/srv",
        "StopSignal": "SIGRTMIN+3",
        "Entrypoint": ["/bin/app", ""],
        "Cmd": ["--help"],
        "ExposedPorts": {"8080/tcp": {}, "53/udp": {}, "9/sctp": {}},
        "Volumes": {"/data": {}},
        "Labels": {"a": ""},
    }


def test_an_absent_attribute_is_inherited_and_an_empty_one_removes() -> None:
    assert parameters({}, os="linux", what="x") == {}
    empty = {"user": "", "working_dir": "", "stop_signal": "", "entrypoint": [], "cmd": []}
    assert set(parameters(empty, os="linux", what="x").values()) == {None}


def test_an_empty_map_changes_nothing_because_maps_are_merged() -> None:
    assert parameters({"labels": {}, "volumes": [], "exposed_ports": []}, os="linux", what="") == {}


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("user", "a b"),
        ("user", "a:b:c"),
        ("user", ":1"),
        ("user", "2147483648"),
        ("user", "1:2147483648"),
        ("user", "app\n"),
        ("user", 5),
        ("working_dir", "srv"),
        ("working_dir", "/srv/../etc"),
        ("working_dir", "C:\\app"),
        ("working_dir", "/a\nb"),
        ("stop_signal", "TERM"),
        ("stop_signal", "SIGTERM\n"),
        ("stop_signal", "SIGNONE"),
        ("stop_signal", "0"),
        ("stop_signal", "65"),
        ("stop_signal", "SIGRTMIN+16"),
        ("entrypoint", "/bin/app"),
        ("entrypoint", [""]),
        ("entrypoint", ["a\0b"]),
        ("cmd", [1]),
        ("exposed_ports", ["0"]),
        ("exposed_ports", ["65536/tcp"]),
        ("exposed_ports", ["80/http"]),
        ("exposed_ports", ["80-90/tcp"]),
        ("exposed_ports", ["\u0668"]),
        ("exposed_ports", ["80/tcp\n"]),
        ("exposed_ports", [80]),
        ("volumes", ["data"]),
        ("volumes", ["/data/.."]),
        ("labels", {"": "x"}),
        ("labels", {"a\n": "x"}),
        ("labels", {"a": 1}),
        ("labels", ["a=b"]),
    ],
)
def test_a_wrong_value_names_target_and_attribute(attribute: str, value: object) -> None:
    with pytest.raises(InputError, match=f"//app:image, {attribute}"):
        one(attribute, value)


@pytest.mark.parametrize(
    "user", ["root", "0", "1000:1000", "app:staff", "ContainerUser", "2147483647"]
)
def test_users(user: str) -> None:
    assert one("user", user) == {"User": user}


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGUSR1", "9", "64", "SIGRTMAX-14", "SIGRTMIN"])
def test_signals(signal: str) -> None:
    assert one("stop_signal", signal) == {"StopSignal": signal}


def test_windows_paths_are_absolute_on_windows() -> None:
    assert one("working_dir", "C:\\app", "windows") == {"WorkingDir": "C:\\app"}
    with pytest.raises(InputError):
        one("working_dir", "C:\\app\\..", "windows")


def test_blanks_are_no_control_characters() -> None:
    assert one("working_dir", "/an app") == {"WorkingDir": "/an app"}
    assert one("labels", {"a b": "c"}) == {"Labels": {"a b": "c"}}


def test_labels_are_copied_not_shared() -> None:
    labels = {"a": "b"}
    one("labels", labels)["Labels"]["c"] = "d"
    assert labels == {"a": "b"}
