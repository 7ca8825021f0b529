"""Command lines of build actions."""

from __future__ import annotations

from pathlib import Path

import pytest

from lading.actions import flags
from lading.errors import LimitError, NotFoundError, StorageError, UsageError


def test_a_parameter_file_stands_for_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "params"
    file.write_bytes(b"--a=1\nF\t/x\tsrc with blank\n\n--b=\xff\n")
    expanded = flags.expand(["--first=0", f"@{file}", "--last=9"])
    assert expanded[:4] == ["--first=0", "--a=1", "F\t/x\tsrc with blank", ""]
    assert expanded[4].encode(errors="surrogateescape") == b"--b=\xff"
    assert expanded[5:] == ["--last=9"]


def test_a_last_line_without_its_end_counts(tmp_path: Path) -> None:
    file = tmp_path / "params"
    file.write_bytes(b"--a=1")
    assert flags.expand([f"@{file}"]) == ["--a=1"]


def test_values_keep_their_equals_signs_and_may_be_empty() -> None:
    one, many = flags.parse(
        ["--a=x=y", "--b=1", "--b=", "--b=1"], single=("a", "c"), repeated=("b", "d")
    )
    assert one == {"a": "x=y"}
    assert many == {"b": ["1", "", "1"], "d": []}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--nope=1"], "there are --a, --b"),
        (["--a=1", "--a=1"], "twice"),
        (["--a"], "not --name=value"),
        (["a=1"], "not --name=value"),
        (["F\t/x\ty"], "not --name=value"),
    ],
)
def test_a_mistake_is_a_usage_error(arguments: list[str], reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        flags.parse(arguments, single=("a",), repeated=("b",))
    assert reason in str(caught.value)


def test_what_is_required_is_a_single_one() -> None:
    one, _ = flags.parse(["--a=1", "--b="], single=("a",), required=("b",))
    assert one == {"a": "1", "b": ""}
    with pytest.raises(UsageError, match="--b is missing"):
        flags.parse(["--a=1"], single=("a",), required=("b",))
    with pytest.raises(UsageError, match="--b is given twice"):
        flags.parse(["--b=1", "--b=1"], required=("b",))


def test_values_in_two_halves() -> None:
    assert flags.pairs(["a=1", "b=x=y", "a=2"], "--env") == {"a": "2", "b": "x=y"}
    with pytest.raises(UsageError, match="--env=a is not NAME=VALUE"):
        flags.pairs(["a"], "--env")
    assert flags.tabbed("a b\tc\td", "--file") == ("a b", "c\td")
    with pytest.raises(UsageError, match="--blob=a is not PATH<TAB>JSON"):
        flags.tabbed("a", "--blob", "PATH<TAB>JSON")


def test_an_output_that_cannot_be_written_is_no_defect(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="none/out cannot be written"):
        flags.write(str(tmp_path / "none" / "out"), b"")


def test_a_file_that_is_missing_or_too_large_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nothing-here"):
        flags.read(str(tmp_path / "nothing-here"))
    file = tmp_path / "large"
    file.write_bytes(b"x" * 11)
    assert flags.read(str(file), limit=11) == b"x" * 11
    with pytest.raises(LimitError, match="10 bytes"):
        flags.read(str(file), limit=10)


@pytest.mark.parametrize(("place", "full"), [("/dev/full", True), ("/nowhere/file", False)])
def test_only_a_full_disk_is_met_with_more_space(place: str, *, full: bool) -> None:
    with pytest.raises(StorageError, match=f"{place} cannot be written") as caught:
        flags.write(place, b"x")
    assert ("free some space" in caught.value.fix) == full
