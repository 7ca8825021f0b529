from __future__ import annotations

import pytest

from lading.errors import InputError
from lading.store import sizes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("512", 512),
        ("1k", 1024),
        ("1.5 GiB", 3 * 2**29),
        ("20GB", 20 * 2**30),
        ("2T", 2**41),
        ("7 B", 7),
        ("9007199254740993", 2**53 + 1),
    ],
)
def test_sizes_are_read_in_binary_units(text: str, value: int) -> None:
    assert sizes.parse(text) == value


@pytest.mark.parametrize(
    "text", ["", "G", "-1G", "1X", "1 2", "1e9", "9" * 400, "1." + "9" * 400, "١G", "1GiB\n2"]
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a size"):
        sizes.parse(text)


def test_sizes_are_written_for_people() -> None:
    assert [sizes.human(value) for value in (0, 1023, 1024, 1536, 2**30)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 KiB",
        "1.0 GiB",
    ]
