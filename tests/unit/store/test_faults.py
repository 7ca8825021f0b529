"""Faults at operations of every verb that changes the store: the short form (I1-I6).

The long form, every operation and races, is //tests/soak/store:test_campaign.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.store.campaign import Scenario, attack
from tests.unit.store.faults import WAYS, Way
from tests.unit.store.races import race
from tests.unit.store.scenarios import SCENARIOS


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name.replace(" ", "-"))
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name.replace(" ", "-"))
def test_nothing_is_lost_and_nothing_is_half(tmp_path: Path, scenario: Scenario, way: Way) -> None:
    tally = attack(scenario, way, tmp_path, step=17)
    assert tally.faults == []
    assert tally.hits >= 1  # call 0 is always reached


def test_savers_and_cleaners_lose_nothing(tmp_path: Path) -> None:
    faults = [fault for seed in range(5) for fault in race(tmp_path / "store", seed)]
    assert faults == []
