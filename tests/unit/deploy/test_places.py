"""Reading an image's content from the first place that has it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

import pytest

from lading.commands.outputs import Outputs
from lading.commands.places import Places
from lading.errors import CorruptError, DeniedError, LadingError, NotFoundError, UnreachableError
from lading.oci.descriptor import Descriptor

DATA = bytes(range(256)) * 100
BLOB = Descriptor.of("application/octet-stream", DATA)


class Place:
    """Serves `data`, or fails when it is opened, or after `after` bytes."""

    def __init__(
        self, data: bytes = DATA, *, error: LadingError | None = None, after: int | None = None
    ) -> None:
        self.data, self.error, self.after = data, error, after
        self.opened = 0
        self.closed = 0

    def open(self, descriptor: Descriptor) -> BinaryIO:
        self.opened += 1
        if self.error is not None and self.after is None:
            raise self.error
        return _Stream(self)

    def path(self, descriptor: Descriptor) -> Path | None:
        return None


class _Stream(io.BytesIO):
    def __init__(self, place: Place) -> None:
        super().__init__(place.data)
        self._place = place

    def read(self, size: int | None = -1, /) -> bytes:
        place = self._place
        if place.error is not None and place.after is not None:
            left = place.after - self.tell()
            if left <= 0:
                raise place.error
            size = left if size is None or size < 0 else min(size, left)
        return super().read(size)

    def close(self) -> None:
        self._place.closed += 1
        super().close()


def _places(*places: Place) -> Places:
    return Places([(f"place {number}", place) for number, place in enumerate(places, 1)], fix="fix")


def _read(places: Places) -> bytes:
    with places.open(BLOB) as stream:
        return b"".join(iter(lambda: stream.read(1000), b""))


def test_first_place_that_has_it_counts() -> None:
    second = Place()
    assert _read(_places(Place(), second)) == DATA
    assert second.opened == 0


@pytest.mark.parametrize("kind", [NotFoundError, UnreachableError, DeniedError])
def test_next_place_stands_in(kind: type[LadingError]) -> None:
    assert _read(_places(Place(error=kind("gone")), Place())) == DATA


@pytest.mark.parametrize("kind", [NotFoundError, UnreachableError, DeniedError])
@pytest.mark.parametrize("after", [0, 1, 999, 1000, 20_000, len(DATA) - 1])
def test_next_place_goes_on_where_one_fails(kind: type[LadingError], after: int) -> None:
    first = Place(error=kind("gone"), after=after)
    assert _read(_places(first, Place())) == DATA
    assert first.closed == 1


def test_next_place_that_is_shorter_is_passed_over() -> None:
    failing = Place(error=UnreachableError("gone"), after=20_000)
    assert _read(_places(failing, Place(DATA[:10]), Place())) == DATA


def test_wrong_content_is_never_passed_over() -> None:
    second = Place()
    with pytest.raises(CorruptError):
        _read(_places(Place(error=CorruptError("wrong"), after=2000), second))
    assert second.opened == 0


def test_content_that_is_nowhere_is_named_with_every_place() -> None:
    with pytest.raises(NotFoundError) as caught:
        _places(Place(error=NotFoundError("a")), Place(error=NotFoundError("b"))).open(BLOB)
    assert str(caught.value) == (
        f"{BLOB.digest} (25.0 KiB) is not in place 1, nor in place 2\n  fix"
    )


def test_place_that_fails_is_told_with_its_reason() -> None:
    places = _places(Place(error=UnreachableError("no answer")), Place(error=NotFoundError("b")))
    with pytest.raises(UnreachableError, match="nor in place 2: no answer"):
        places.open(BLOB)


def test_output_counts_when_it_is_what_its_digest_says(tmp_path: Path) -> None:
    file = tmp_path / "layer"
    file.write_bytes(DATA)
    outputs = Outputs({BLOB.digest: file})
    assert outputs.path(BLOB) == file
    with outputs.open(BLOB) as stream:
        assert stream.read() == DATA


@pytest.mark.parametrize("data", [None, b"", DATA[:-1], DATA + b"x", b"x" + DATA[1:]])
def test_output_of_another_build_does_not_count(tmp_path: Path, data: bytes | None) -> None:
    file = tmp_path / "layer"
    if data is not None:
        file.write_bytes(data)
    outputs = Outputs({BLOB.digest: file})
    assert outputs.path(BLOB) is None
    with pytest.raises(NotFoundError):
        outputs.open(BLOB)


def test_a_place_that_fails_on_the_way_to_where_the_last_one_failed_is_closed() -> None:
    trouble = UnreachableError("gone")
    places = [Place(error=trouble, after=9000), Place(error=trouble, after=2000), Place()]
    assert _read(_places(*places)) == DATA
    assert [(place.opened, place.closed) for place in places] == [(1, 1)] * 3
