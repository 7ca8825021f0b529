"""What a builder is told to do for a recipe; //tests/integration/store:test_installing does it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lading.builder.dockerfile import parse
from lading.builder.installing import Installer, dockerfile, installer, script
from lading.errors import InputError, NotFoundError
from lading.store import naming
from lading.store.recipe import Recipe


def _recipe(name: str = "capy-ubuntu-24.04-gcc14", *install: str) -> Recipe:
    links = (("/usr/bin/gcc", "gcc-14"),)
    return Recipe(naming.parse(name), "amd64", install, links, ("gcc14",), install, ())


def test_the_dockerfile_installs_as_root_and_runs_as_who_it_was() -> None:
    for user, lines in (("", 2), ("nobody:nogroup", 4)):
        text = dockerfile(user)
        assert len(text.splitlines()) == lines
        [base] = parse(text).external("")
        assert base.name == "lading-base"
        assert text.endswith(f"USER {user}\n" if user else "]\n")


def test_no_word_of_a_recipe_is_read_by_the_shell() -> None:
    text = script(_recipe("capy-ubuntu-24.04-gcc14", "gcc-14", "--purge", "a; rm -rf /", "$(id)"))
    assert " install --yes --no-install-recommends -- gcc-14 --purge 'a; rm -rf /' '$(id)'" in text
    assert "ln -sfn gcc-14 /usr/bin/gcc" in text
    assert "SourceList" not in text
    assert "SourceList=/mnt/lading.list" in script(
        _recipe("a-ubuntu-24.04-base", "x"), "lading.list"
    )


def test_where_there_is_only_a_link_to_make_nothing_is_fetched() -> None:
    assert "apt-get" not in script(_recipe())


def test_a_system_without_apt_and_a_missing_base_are_refused(tmp_path: Path) -> None:
    build = installer(Installer(), lambda text: None)
    with (
        pytest.raises(InputError, match="fedora"),
        build(_recipe("capy-fedora-42-gcc14"), None, tmp_path),
    ):
        pass
    with (
        pytest.raises(NotFoundError, match="store save capy-ubuntu"),
        build(_recipe(), None, tmp_path),
    ):
        pass
