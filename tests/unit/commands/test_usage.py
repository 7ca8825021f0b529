"""What `--help` prints: the flags that people type, and nothing else."""

from __future__ import annotations

import importlib

import pytest

from lading.commands import flags
from lading.commands.usage import count
from lading.errors import UsageError


def test_a_flag_is_shown_with_its_choices_and_default() -> None:
    values = flags.FlagValues()
    flags.define_bool("dry_run", False, "Send nothing.", flag_values=values)
    flags.define_bool("no_cache", False, "Run all.", flag_values=values)
    flags.define_enum("only", None, ["push", "load"], "One kind.", flag_values=values)
    flags.define_multi_string("tag", [], "Tag to set.", flag_values=values)
    flags.define_integer("top", 10, "So many.", flag_values=values)
    flags.define_string("spec", "", "What a rule writes.", flag_values=values)
    values.hide("spec")
    assert values.get_help().splitlines() == [
        "flags:",
        "  --[no]dry_run           Send nothing.",
        "  --no_cache              Run all.",
        "  --only                  One kind. One of push, load.",
        "  --tag                   Tag to set. May be repeated.",
        "  --top                   So many. (10)",
    ]


@pytest.mark.parametrize("name", ["diff", "inspect", "push", "verify"])
def test_help_shows_no_path_of_the_machine_and_no_flag_of_a_rule(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"lading.commands.{name}").main(["--help"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    assert "  --[no]json" in shown
    assert not any(word in shown for word in ("--spec", "--runfiles", "absl", f"{name}.py"))


def test_what_people_type_is_shown_whatever_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        importlib.import_module("lading.commands.lock_debian").main(["--help"])
    assert "  --spec " in capsys.readouterr().out


@pytest.mark.parametrize("name", ["build", "diff", "inspect", "method", "registry", "verify"])
def test_how_a_command_is_called_is_indented(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        raise SystemExit(importlib.import_module(f"lading.commands.{name}").main(["--help"]))
    assert f"\n    {name} " in capsys.readouterr().out


def test_a_size_that_is_none_is_a_mistake_of_usage() -> None:
    with pytest.raises(UsageError, match="--size=20X is not a size"):
        importlib.import_module("lading.commands.verify").main(["--size=20X", "image.tar"])


def test_one_thing_is_no_things() -> None:
    assert [count(number, "layer") for number in (0, 1, 2)] == ["0 layers", "1 layer", "2 layers"]
