"""Packages that an image has, whatever its layers say (S1.4)."""

from __future__ import annotations

import dataclasses

import pytest

from lading.errors import CorruptError, LimitError
from lading.store import image as images
from lading.store import installed
from lading.store.installed import installed as packages_of
from tests.unit.store import tiny

_STATUS = "Package: {}\nStatus: install ok installed\nVersion: {}\nArchitecture: amd64\n"


def _packages(*files: tuple[str, str]) -> dict[str, str]:
    content = tiny.MemoryContent()
    layers = [tiny.layer({name: text.encode()}) for name, text in files]
    found = packages_of(content, images.read(content, tiny.image(content, layers)))
    return {name: package.version for name, package in found.items()}


def test_dpkg_and_layers_of_lading_say_what_is_there() -> None:
    gone = "Package: nano\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: amd64\n"
    assert _packages(
        ("var/lib/dpkg/status", "\n".join((_STATUS.format("bash", "5.2"), gone))),
        ("var/lib/dpkg/status.d/dash", _STATUS.format("dash", "0.5")),
        ("var/lib/dpkg/status.d/dash.md5sums", "Package: no\n"),
    ) == {"bash": "5.2", "dash": "0.5"}


@pytest.mark.parametrize(
    "stanza",
    [
        _STATUS.format("bad", "1") + ": nothing before the colon\n",
        _STATUS.format("bad", "1" * 5000),
        _STATUS.format("bad", "1-" * 20_000 + "!"),
        _STATUS.format("../bad", "1"),
    ],
    ids=["no-name", "long-number", "long-version", "path"],
)
def test_a_stanza_that_is_none_is_no_package(stanza: str) -> None:
    status = "\n".join((stanza, _STATUS.format("bash", "5.2")))
    assert _packages(("var/lib/dpkg/status", status))["bash"] == "5.2"


@pytest.mark.parametrize("cut", [20, 1000, 3000])
def test_a_layer_that_is_damaged_in_what_is_read(cut: int) -> None:
    text = "".join(_STATUS.format(f"p{number}", number) + "\n" for number in range(5000))
    whole = tiny.layer({"var/lib/dpkg/status": text.encode()})
    content = tiny.MemoryContent()
    image = tiny.image(content, [dataclasses.replace(whole, blob=whole.blob[:-cut])])
    with pytest.raises(CorruptError, match="cannot be read at"):
        packages_of(content, images.read(content, image))


def test_many_files_are_not_read_beyond_the_limit_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "_MAX_STATUS", 1000)
    files = [(f"var/lib/dpkg/status.d/p{number}", "#" * 600) for number in range(2)]
    assert _packages(files[0]) == {}
    with pytest.raises(LimitError, match="too large"):
        _packages(*files)
