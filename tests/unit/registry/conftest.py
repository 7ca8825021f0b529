"""A strict registry and a session that does not really wait, for every test here."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lading.http.limits import Limits
from lading.registry.credentials import anonymous
from lading.registry.session import Session
from tests.registry_server.server import Server, serve

#: Bounds for tests: the pauses are not slept, so the least speed is what takes real time.
QUICK = Limits(connect=5, idle=2, answer=3, rate=100, window=0.3)


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


@pytest.fixture
def pauses() -> list[float]:
    """The seconds of every pause that a session of the test wanted to make."""
    return []


@pytest.fixture
def make_session(pauses: list[float]) -> Iterator[Callable[..., Session]]:
    sessions: list[Session] = []

    def make(**settings: object) -> Session:
        known = {"limits": QUICK, "find": anonymous, "sleep": pauses.append}
        sessions.append(Session(**(known | settings)))  # type: ignore[arg-type]
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()


@pytest.fixture
def session(make_session: Callable[..., Session]) -> Session:
    return make_session()
