"""What is in the templates, and what is not; which layers they share (S0.2, S2.3)."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from lading.layer.view import DIRECTORY, FILE, SYMLINK, View
from tests.integration.harness.launchers import runfile

_TEMPLATES = ["minimal", "nodejs", "nodejs_browser", "python"]
_SHELLS = ["ash", "bash", "busybox", "dash", "rbash", "sh"]
_MANAGERS = ["apt", "apt-get", "dpkg", "npm", "pip", "pip3"]
#: Engines take 127 layers, and a base should leave most of them to others.
_MOST_LAYERS = 25


@functools.cache
def _blobs() -> dict[str, Path]:
    """The layers that were built, by digest."""
    found = {}
    for path in runfile("images").glob("*.tar.gz"):
        with path.open("rb") as stream:
            found[f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"] = path
    return found


def _layers(name: str) -> list[str]:
    manifest = json.loads(runfile(f"images/{name}.manifest.json").read_bytes())
    return [layer["digest"] for layer in manifest["layers"]]


def _opener(path: Path) -> Callable[[], BinaryIO]:
    return lambda: path.open("rb")


@functools.cache
def _view(name: str) -> View:
    return View([_opener(_blobs()[digest]) for digest in _layers(name)])


def _shared(one: str, other: str) -> int:
    """How many layers two templates begin with in common: what an engine has to unpack once."""
    pairs = zip(_layers(one), _layers(other), strict=False)
    return next(number for number, (a, b) in enumerate(pairs) if a != b)


def test_templates_begin_with_the_layers_of_smaller_ones() -> None:
    # All but the last of each, which has the cache of the loader and links.
    assert _shared("minimal", "nodejs") == len(_layers("minimal")) - 1
    assert _shared("minimal", "python") == len(_layers("minimal")) - 1
    assert _shared("nodejs", "nodejs_browser") == len(_layers("nodejs")) - 1
    last = _blobs()[_layers("nodejs")[-1]]
    assert last.stat().st_size < 4096
    assert len(_layers("nodejs_browser")) <= _MOST_LAYERS


@pytest.mark.parametrize("name", _TEMPLATES)
def test_there_is_no_shell_and_no_package_manager(name: str) -> None:
    for program in _SHELLS + _MANAGERS:
        for directory in ("/bin", "/sbin", "/usr/bin", "/usr/local/bin", "/usr/sbin"):
            assert _view(name).find(f"{directory}/{program}") is None
    programs = [path for path, _ in _view(name).walk() if path.startswith("/usr/bin/")]
    assert bool(programs) == (name != "minimal")


@pytest.mark.parametrize("name", _TEMPLATES)
def test_what_installing_would_leave_behind_is_there(name: str) -> None:
    view = _view(name)
    for directory in ("/bin", "/lib", "/lib64", "/sbin"):
        link = view.find(directory, follow=False)
        assert link is not None
        assert (link.type, link.link) == (SYMLINK, f"usr{directory}")
    for file in (
        "/etc/ld.so.cache",
        "/etc/localtime",
        "/etc/nsswitch.conf",
        "/etc/os-release",
        "/etc/passwd",
        "/etc/ssl/certs/ca-certificates.crt",
        "/usr/lib/locale/C.utf8/LC_CTYPE",
        "/usr/share/zoneinfo/Europe/Berlin",
        "/var/lib/dpkg/status.d/libc6",
    ):
        node = view.find(file)
        assert node is not None, file
        assert (node.type, node.uid, node.mode & 0o022) == (FILE, 0, 0), file
    home, tmp = view.find("/home/nonroot"), view.find("/tmp")
    assert home is not None
    assert tmp is not None
    assert (home.type, home.uid, home.gid, home.mode) == (DIRECTORY, 65532, 65532, 0o700)
    assert (tmp.type, tmp.mode) == (DIRECTORY, 0o1777)


@pytest.mark.parametrize(
    ("name", "link", "target"),
    [
        ("python", "/usr/bin/python", "/usr/bin/python3.13"),
        ("nodejs", "/usr/bin/js", "/usr/bin/node"),
        ("nodejs_browser", "/usr/bin/js", "/usr/bin/node"),
        ("nodejs_browser", "/usr/bin/x-www-browser", "/usr/lib/chromium/chromium"),
    ],
)
def test_alternatives_and_names_without_a_version_lead_to_programs(
    name: str, link: str, target: str
) -> None:
    assert _view(name).resolve(link) == target
    node = _view(name).find(target)
    assert node is not None
    assert (node.type, node.mode & 0o111) == (FILE, 0o111)


@pytest.mark.parametrize("name", _TEMPLATES)
def test_no_link_to_a_library_dangles(name: str) -> None:
    view = _view(name)
    links = [
        path
        for path, node in view.walk()
        if node.type == SYMLINK and path.startswith("/usr/lib/") and ".so" in path
    ]
    assert [path for path in links if view.resolve(path) is None] == []
