"""Mirrors from the environment and from apt's files; deb_sources.bzl follows the same rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from lading.debian.sources import Mirrors, find_mirrors, parse_deb822, parse_one_line
from lading.errors import NotFoundError


def apt(tmp_path: Path, **files: str) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    for name, text in files.items():
        stem, _, ending = name.rpartition("_")
        path = "sources.list" if stem == "sources" else f"sources.list.d/{stem}.{ending}"
        (tmp_path / path).write_text(text)
    return tmp_path


def test_the_environment_comes_first(tmp_path: Path) -> None:
    folder = apt(tmp_path, sources_list="deb http://apt.example.org/debian trixie main\n")
    assert find_mirrors(
        {"LADING_DEBIAN_MIRROR": "http://a.example.org/debian/"}, folder
    ) == Mirrors(("http://a.example.org/debian",), ("http://a.example.org/debian-security",))


def test_the_environment_may_name_several_and_a_security_mirror(tmp_path: Path) -> None:
    environment = {
        "LADING_DEBIAN_MIRROR": "http://a.example.org/d  http://b.example.org/d",
        "LADING_DEBIAN_SECURITY_MIRROR": "http://s.example.org/sec",
    }
    assert find_mirrors(environment, tmp_path) == Mirrors(
        ("http://a.example.org/d", "http://b.example.org/d"), ("http://s.example.org/sec",)
    )


def test_one_line_sources(tmp_path: Path) -> None:
    folder = apt(
        tmp_path,
        sources_list="# deb http://old.example.org/debian trixie main\n"
        "deb [arch=amd64 signed-by=/k.gpg] http://a.example.org/debian/ trixie main contrib\n"
        "deb-src http://src.example.org/debian trixie main\n"
        "deb\thttp://a.example.org/debian trixie-updates main # twice the same\n"
        "deb http://s.example.org/debian-security trixie-security main\n",
    )
    assert find_mirrors({}, folder) == Mirrors(
        ("http://a.example.org/debian",), ("http://s.example.org/debian-security",)
    )


def test_deb822_sources(tmp_path: Path) -> None:
    folder = apt(
        tmp_path,
        debian_sources="Types: deb deb-src\n"
        "# a comment\n"
        "URIs: http://a.example.org/debian\n  http://b.example.org/debian/\n"
        "Suites: bookworm bookworm-updates\nComponents: main\n\n"
        "Types: deb\nURIs: http://s.example.org/sec\nSuites: bookworm-security/\n"
        "Components: main\n\n"
        "Enabled: no\nTypes: deb\nURIs: http://off.example.org/debian\n"
        "Suites: trixie\nComponents: main\n",
    )
    assert find_mirrors({}, folder) == Mirrors(
        ("http://a.example.org/debian", "http://b.example.org/debian"),
        ("http://s.example.org/sec",),
    )


def test_other_vendors_and_schemes_are_left_out() -> None:
    assert parse_one_line("deb cdrom:[Debian]/ trixie main\ndeb http://x.example.org/a ./\n") == []
    assert parse_one_line("deb https://x.example.org/linux/debian trixie stable\n") == []
    assert parse_one_line("deb https://x.example.org/pg trixie-pgdg main\n") == []
    assert parse_deb822("Types: deb\nURIs: https://x.example.org\nSuites: node_20.x\n") == []


def test_files_that_apt_ignores_and_files_without_permission_are_ignored(tmp_path: Path) -> None:
    folder = apt(
        tmp_path,
        a_disabled="deb http://a.example.org/debian trixie main\n",
        b_list="deb http://b.example.org/debian trixie main\n",
    )
    (folder / "sources.list.d/c.list").mkdir()
    assert find_mirrors({}, folder).debian == ("http://b.example.org/debian",)


def test_without_a_mirror_the_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as missing:
        find_mirrors({}, tmp_path)
    assert "LADING_DEBIAN_MIRROR" in missing.value.fix
