"""The fault campaign of the store: every operation of every verb, and a thousand races.

    ./bazelw test //tests/soak/store:test_campaign --test_output=all

Prints how often what was hit. tests/unit/store/faults.py says what the faults cover.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.store.campaign import attack
from tests.unit.store.faults import WAYS
from tests.unit.store.races import race
from tests.unit.store.scenarios import SCENARIOS

_KILLS = int(os.environ.get("LADING_KILLS", "2000"))
_ROUNDS = int(os.environ.get("LADING_ROUNDS", "1000"))


def test_every_operation_fails_in_every_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kills at every operation, again and again until there were enough; errors at every one."""
    kills = hits = refused = turn = 0
    faults: list[str] = []
    while kills < _KILLS:
        for scenario in SCENARIOS:
            for way in WAYS:
                if way.error and turn:
                    continue
                tally = attack(scenario, way, tmp_path)
                kills, hits = kills + tally.kills, hits + tally.hits
                refused += tally.refused
                faults += tally.faults
        turn += 1
    with capsys.disabled():
        print(f"\n{kills} kills, {hits - kills} errors, {refused} refusals, {len(faults)} faults")
    assert faults == []


def test_savers_and_cleaners_lose_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faults: list[str] = []
    for seed in range(_ROUNDS):
        faults += race(tmp_path / "store", seed)
    with capsys.disabled():
        print(f"\n{_ROUNDS} rounds, {len(faults)} faults")
    assert faults == []
