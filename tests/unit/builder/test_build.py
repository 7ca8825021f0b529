"""What every build has in common, whatever the builder."""

from __future__ import annotations

from pathlib import Path

import pytest

from lading.builder.build import build
from lading.builder.failure import failure
from lading.builder.progress import Event
from lading.builder.request import BuildRequest, OnEvent, Secret
from lading.errors import LadingError
from lading.oci.platform import Platform


class _Fails:
    """In place of a builder whose program says what it was given and ends."""

    name = "fails"

    def platform(self) -> Platform | None:
        return None

    def build(self, request: BuildRequest, output: Path, on_event: OnEvent) -> None:
        on_event(Event("output", text="login with hunter22"))
        raise failure(self.name, "login with hunter22 refused", step=True, line=2)


def test_neither_events_nor_the_error_hold_a_secret(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nRUN login\n")
    (tmp_path / "password").write_text("hunter22\n")
    request = BuildRequest(tmp_path, secrets=(Secret("password", tmp_path / "password"),))
    events: list[Event] = []
    with pytest.raises(LadingError, match=r"line 2 failed: login with \*\*\* refused") as caught:
        build(_Fails(), request, tmp_path / "image.tar", events.append)
    assert not [event for event in events if "hunter22" in event.text]
    assert "hunter22" not in str(caught.value)
