"""The Env list of a config."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.errors import InputError
from lading.oci.environment import as_map, check_name, expand, merge

BASE = {"PATH": "/usr/bin:/bin", "HOME": "/root", "EMPTY": "", "A": "$HOME"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/app:$PATH", "/app:/usr/bin:/bin"),
        ("${HOME}/x$HOME", "/root/x/root"),
        ("$$PATH", "$PATH"),
        ("$$$HOME", "$/root"),
        ("5$ and $(x) and $1", "5$ and $(x) and $1"),
        ("$A", "$HOME"),
        ("[${EMPTY}]", "[]"),
        ("${NEW:-/opt}", "/opt"),
        ("${EMPTY:-x}", "x"),
        ("${HOME:-x}", "/root"),
        ("plain", "plain"),
    ],
)
def test_values_of_the_base_are_filled_in_once(value: str, expected: str) -> None:
    assert expand(value, BASE, what="env") == expected


def test_an_unknown_variable_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError) as caught:
        expand("/app:$PYTHONPATH", BASE, what="//app:image, env['X']")
    message = str(caught.value)
    assert "//app:image, env['X']" in message
    assert "$PYTHONPATH" in message
    assert "A, EMPTY, HOME, PATH" in message
    assert "$$PYTHONPATH" in message


def test_changed_entries_stay_in_place_and_new_ones_follow_sorted() -> None:
    base = ["PATH=/bin", "B=1", "C=2"]
    changes = {"Z": "9", "B": "x=y", "D": ""}
    assert merge(base, changes) == ["PATH=/bin", "B=x=y", "C=2", "D=", "Z=9"]


def test_a_changed_variable_is_there_once_even_if_the_base_had_it_twice() -> None:
    assert merge(["A=1", "B=2", "A=3"], {"A": "4"}) == ["A=4", "B=2"]


@pytest.mark.parametrize("name", ["", "A=B", "A B", "A\n", "\x7f", "A\0"])
def test_names_that_no_process_can_have_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="environment variable"):
        check_name(name, what="env")


@pytest.mark.parametrize("name", ["PATH", "npm_config_x", "ProgramFiles(x86)", "a.b-c", "é"])
def test_odd_names_that_processes_do_have_are_accepted(name: str) -> None:
    assert check_name(name, what="env") == name


NAMES = st.text("ABC", min_size=1, max_size=2)


@given(
    st.lists(st.tuples(NAMES, st.text("xyz="))),
    st.dictionaries(NAMES, st.text("xyz$=")),
)
def test_merging_sets_what_was_asked_and_keeps_the_rest(
    pairs: list[tuple[str, str]], changes: dict[str, str]
) -> None:
    base = [f"{name}={value}" for name, value in pairs]
    merged = merge(base, changes)
    assert as_map(merged) == as_map(base) | changes
    assert merge(merged, changes) == merged
