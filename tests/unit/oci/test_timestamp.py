"""Creation times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.errors import InputError
from lading.oci.timestamp import canonical


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-02-29T12:00:00Z", "2024-02-29T12:00:00Z"),
        ("2024-02-29t12:00:00z\n", "2024-02-29T12:00:00Z"),
        ("2024-02-29 12:00:00+02:00", "2024-02-29T10:00:00Z"),
        ("2023-12-31T23:30:00.120-01:30", "2024-01-01T01:00:00.12Z"),
        ("2024-02-29T12:00:00.123456789Z", "2024-02-29T12:00:00.123456789Z"),
        ("2024-02-29T12:00:00.000Z", "2024-02-29T12:00:00Z"),
        ("0", "1970-01-01T00:00:00Z"),
        ("1700000000", "2023-11-14T22:13:20Z"),
        ("1700000000.5", "2023-11-14T22:13:20.5Z"),
        ("-1", "1969-12-31T23:59:59Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_both_forms_become_rfc_3339_in_utc(text: str, expected: str) -> None:
    assert canonical(text, what="created") == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2023-02-29T12:00:00Z",
        "2024-02-29",
        "2024-02-29T12:00:00",
        "2024-02-29T12:00:60Z",
        "2024-02-29T25:00:00Z",
        "2024-02-29T12:00:00+24:00",
        "2024-02-29T12:00:00+01:60",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "999999999999",
        "-0.5",
        "1e9",
        "\u0661\u0667",
        "2024-02-29T12:00:00Z\nx",
    ],
)
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(InputError, match="//app:image, created"):
        canonical(text, what="//app:image, created")


@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31)),  # noqa: DTZ001 (naive on purpose)
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
)
def test_every_offset_names_the_same_moment(moment: datetime, minutes: int) -> None:
    aware = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    assert datetime.fromisoformat(canonical(aware.isoformat(), what="t")) == aware
    seconds = int((aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    assert canonical(str(seconds), what="t") == canonical(aware.isoformat(), what="t")
