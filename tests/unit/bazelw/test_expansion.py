"""`//...:name` becomes the labels that `bazel query` finds; everything else passes.

The Bazel here is a script that answers queries and prints its arguments. That the query means what
it should is shown with a real Bazel in tests/integration/bazel/test_patterns.py.
"""

from __future__ import annotations

import pytest

from tests.unit.bazelw.script import Checkout, program

_LABELS = ["//:image", "//a b:image", "//app:image"]


@pytest.fixture
def bazel(checkout: Checkout) -> Checkout:
    lines = " ".join(f"'{label}'" for label in _LABELS)
    program(
        checkout.bin / "bazel",
        f"""[ "$1" = --version ] && echo "bazel 7.7.1" && exit
case " $* " in
*' query '*nothing*) exit 0 ;;
*' query '*broken*) exit 7 ;;
*' query '*) printf '%s\\n' {lines}; exit 0 ;;
esac
printf "<%s>\\n" "$@"
""",
    )
    return checkout


def _words(bazel: Checkout, *arguments: str) -> list[str]:
    done = bazel.run(*arguments)
    assert done.returncode == 0, done.stderr
    return [line[1:-1] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    "pattern", ["//...:image", "//app/...:image", "...:image", "@lading//...:image"]
)
def test_a_pattern_becomes_labels(bazel: Checkout, pattern: str) -> None:
    assert _words(bazel, "build", "-c", "opt", pattern, "//x") == [
        "build",
        "--skip_incompatible_explicit_targets",
        "-c",
        "opt",
        *_LABELS,
        "//x",
    ]


def test_a_pattern_with_a_minus_takes_labels_away(bazel: Checkout) -> None:
    words = _words(bazel, "test", "--", "//...", "-//...:image")
    assert words[-3:] == [f"-{label}" for label in _LABELS]


@pytest.mark.parametrize(
    "words",
    [
        ["build", "//..."],
        ["build", "//...:all"],
        ["build", "//...:*"],
        ["build", "//...:all-targets"],
        ["build", "//app:image"],
        ["build", "--flag=//...:image"],
        ["version"],
        ["info", "//...:image"],
        ["run", "//app:push", "//...:image"],
        ["run", "//app:push", "--", "//...:image"],
        [],
    ],
    ids=" ".join,
)
def test_other_words_pass_untouched(bazel: Checkout, words: list[str]) -> None:
    assert _words(bazel, *words) == (words or [""])


def test_an_expansion_to_nothing_is_an_error(bazel: Checkout) -> None:
    done = bazel.run("build", "//...:nothing")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "ERROR: no target matches '//...:nothing': nothing below '//...' is named 'nothing'.\n"
    )


def test_a_query_that_fails_ends_with_its_code(bazel: Checkout) -> None:
    assert bazel.run("build", "//...:broken").returncode == 7


def test_a_query_of_a_pattern_is_one_word(bazel: Checkout) -> None:
    quoted = " ".join(f'"{label}"' for label in _LABELS)
    assert _words(bazel, "cquery", "//...:image")[-1] == f"set({quoted} )"
