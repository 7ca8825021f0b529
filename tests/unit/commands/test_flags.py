"""Flags mean the same whether absl reads them or not."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from absl import flags as absl_flags

from lading.commands import entry, flags
from lading.errors import UsageError


def _values() -> flags.FlagValues:
    values = flags.FlagValues()
    flags.define_string("text", "default", "A text.", flag_values=values)
    flags.define_string("none", None, "A text without a default.", flag_values=values)
    flags.define_bool("switch", False, "A switch.", flag_values=values)
    flags.define_bool("node", False, "A switch that begins like a negation.", flag_values=values)
    flags.define_multi_string("many", [], "Texts.", flag_values=values)
    flags.define_multi_string("any", None, "Texts, or nothing.", flag_values=values)
    flags.define_integer("count", 3, "A number.", lower_bound=0, flag_values=values)
    flags.define_float("seconds", 1.5, "A number.", flag_values=values)
    flags.define_enum("one", "a", ["a", "b"], "A choice.", flag_values=values)
    flags.define_multi_enum("some", [], ["a", "b"], "Choices.", flag_values=values)
    return values


def _absl() -> absl_flags.FlagValues:
    values = absl_flags.FlagValues()  # type: ignore[no-untyped-call]
    given: dict[str, Any] = {"flag_values": values}
    absl_flags.DEFINE_string("text", "default", "", **given)
    absl_flags.DEFINE_string("none", None, "", **given)
    absl_flags.DEFINE_bool("switch", False, "", **given)
    absl_flags.DEFINE_bool("node", False, "", **given)
    absl_flags.DEFINE_multi_string("many", [], "", **given)
    absl_flags.DEFINE_multi_string("any", None, "", **given)
    absl_flags.DEFINE_integer("count", 3, "", lower_bound=0, **given)
    absl_flags.DEFINE_float("seconds", 1.5, "", **given)
    absl_flags.DEFINE_enum("one", "a", ["a", "b"], "", **given)
    absl_flags.DEFINE_multi_enum("some", [], ["a", "b"], "", **given)
    return values


_NAMES = ["text", "none", "switch", "node", "many", "any", "count", "seconds", "one", "some"]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "--text=x",
        "word --text=x word",
        "--text=",
        "--text= --text=y",
        "--text=a=b",
        "--text='quoted'",
        "--text x",
        "--text x word --many a --many b --switch",
        "--text -x word",
        "--text -- word",
        "--many x --text",
        "--many",
        "word --text x=y rest",
        "-text=x",
        "-switch",
        "--none=x rest --text=unread",
        "rest --text=unread",
        "--switch",
        "--noswitch",
        "--switch --noswitch",
        "--switch=false",
        "--switch=true rest",
        "--switch= rest",
        "--node",
        "--nonode",
        "--node --switch word",
        "--many=a --many=b --any=",
        "--many a",
        "--many=a,b",
        "--count=5 --seconds=2",
        "--count=-1",
        "--count=x",
        "--one=b --some=a --some=b",
        "--one=c",
        "--switch -- --text=unread",
        "-- word",
        "- word",
        "--unknown",
        "--unknown=x --text=y",
        "--swit",
        "--text",
        "--TEXT=x",
        "--undefok=gone --gone=1",
    ],
)
def test_absl_reads_the_same(line: str) -> None:
    words, values, theirs = line.split(), _values(), _absl()
    try:
        rest = list(theirs(["program", *words]))[1:]
    except absl_flags.Error:
        with pytest.raises(UsageError):
            values.parse(words)
        return
    assert values.parse(words) == rest
    assert {name: getattr(values, name) for name in _NAMES} == {
        name: theirs[name].value for name in _NAMES
    }


@pytest.mark.parametrize(
    "line",
    [
        "--text --switch",
        "--text --noswitch",
        "--text --many=a",
        "--many --many a",
        "--switch=no --count --text=x",
        "--one --some=a",
    ],
)
def test_a_flag_is_no_value_of_the_flag_before_it(line: str) -> None:
    """A variable of the shell was empty: `--ca_file $CA --tag=v1` pushed without the tag."""
    with pytest.raises(UsageError, match="has no value: --"):
        _values().parse(line.split())


def test_a_value_that_looks_like_a_flag_can_be_given() -> None:
    values = _values()
    assert values.parse(["--text=--switch", "--many", "--x", "word"]) == ["word"]
    assert (values.text, values.many) == ("--switch", ["--x"])
    assert values.parse(["--", "--text", "--switch"]) == ["--text", "--switch"]


def test_plain_flags_are_read_without_absl() -> None:
    program = (
        "import sys\n"
        "from lading.commands import push\n"
        "values = push._flags()\n"
        "values.parse(['--spec=a', '--tag=b', '--tag', 'c', '--dry_run'])\n"
        "print([name for name in sys.modules if name.startswith('absl')])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "[]\n"


def test_dashes_and_underscores_are_the_same() -> None:
    values = flags.FlagValues()
    flags.define_bool("dry_run", False, "Send nothing.", flag_values=values)
    assert entry.parse(values, ["--dry-run"], usage="") == []
    assert values.dry_run is True


def test_help_lists_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        entry.parse(_values(), ["--text=x", "--help"], usage="Does something.")
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Does something.\n")
    assert all(f"--{name} " in shown or f"--[no]{name} " in shown for name in _NAMES)


def test_a_flag_that_is_not_defined_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no flag --gone"):
        _ = _values().gone


def test_a_switch_with_another_value_is_explained() -> None:
    with pytest.raises(UsageError, match="flag --switch=maybe: write true, false or nothing"):
        entry.parse(_values(), ["--switch=maybe"], usage="")
