"""What scripts rely on: the exit code of each class of findings, and the JSON object."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lading.commands import verify
from tests.unit.verify.seeds import Spoilt, member, tar_of


def _twice(spoilt: Spoilt) -> None:
    spoilt.set_layer(tar_of(member("a"), member("a")))


def _damaged(spoilt: Spoilt) -> None:
    path = spoilt.blob(spoilt.manifest["layers"][0]["digest"])
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def _gone(spoilt: Spoilt) -> None:
    spoilt.blob(spoilt.manifest["layers"][0]["digest"]).unlink()


def _unmarked(spoilt: Spoilt) -> None:
    (spoilt.directory / "oci-layout").unlink()


def _warned(spoilt: Spoilt) -> None:
    spoilt.change_config(lambda value: value.update(architecture="x86_64"))


def _noted(spoilt: Spoilt) -> None:
    spoilt.put(b"nobody")


def _sound(_: Spoilt) -> None:
    pass


@pytest.mark.parametrize(
    ("spoil", "flags", "code", "rules"),
    [
        (_sound, [], 0, []),
        (_sound, ["--strict", "--platform=linux/amd64", "--tag=v1"], 0, []),
        (_sound, ["--platform=linux/arm64"], 3, ["platform-expected"]),
        (_sound, ["--entries=0"], 9, ["limit-entries"]),
        (_sound, ["--size=1000"], 9, ["limit-size"]),
        (_twice, [], 12, ["tar-duplicate"]),
        (_damaged, [], 5, ["blob-digest"]),
        (_gone, [], 4, ["blob-missing"]),
        (_unmarked, [], 3, ["layout-marker"]),
        (_warned, [], 0, ["platform-vocabulary"]),
        (_warned, ["--strict"], 3, ["platform-vocabulary"]),
        (_noted, ["--strict"], 0, ["layout-unreferenced"]),
    ],
)
def test_the_code_and_the_object(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Spoilt], None],
    flags: list[str],
    code: int,
    rules: list[str],
) -> None:
    spoilt = Spoilt(tmp_path / "layout")
    spoil(spoilt)
    name = f"oci:{spoilt.directory}"
    assert verify.main([name, "--json", *flags]) == code
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert value["image"] == name
    assert value["ok"] == (code == 0)
    # What was changed leaves blobs behind that nobody needs.
    found = {one["rule"] for one in value["findings"]}
    assert found - {"layout-unreferenced"} == set(rules) - {"layout-unreferenced"}
    assert found >= set(rules)
    for one in value["findings"]:
        assert one.keys() == {"rule", "severity", "class", "subject", "at", "what", "fix"}
        assert all(type(text) is str for text in one.values())
        assert one["what"]
        assert "\n" not in one["what"]


def test_people_see_the_place_the_rule_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoilt = Spoilt(tmp_path / "layout")
    _twice(spoilt)
    assert verify.main([f"oci:{spoilt.directory}", "--quiet"]) == 12
    out, err = capsys.readouterr()
    digest = spoilt.manifest["layers"][0]["digest"]
    assert out.splitlines() == [
        f"error: {digest} entry 2 'a': the path occurs a second time [tar-duplicate]",
        "  do not use the image; ask whoever made it for another",
    ]
    assert err == ""
