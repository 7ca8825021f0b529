"""A registry that wants our credentials somewhere else does not get them there.

One server is the registry that we have a login for; the other belongs to somebody else. Whatever
the first one answers, the second never sees the secret, and neither does any output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lading.registry.credentials import Credential
from lading.registry.session import Session
from tests.registry_server.faults import Answer, Fault
from tests.registry_server.registry import Registry
from tests.registry_server.server import Server, serve
from tests.unit.registry.hostile.play import BASIC, SECRET, USER


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(Registry(basic=(USER, SECRET))) as running:
        yield running


@pytest.fixture
def stranger() -> Iterator[Server]:
    """Another server; asks everybody for a password."""
    with serve() as running:
        challenge = {"WWW-Authenticate": 'Basic realm="give it to me"'}
        running.script.add(Fault("*", "/(?!x)", Answer(401, challenge), times=0))
        yield running


@pytest.fixture
def trace() -> list[str]:
    return []


@pytest.fixture
def session(make_session: Callable[..., Session], server: Server, trace: list[str]) -> Session:
    def find(registry: str, repository: str) -> Credential | None:
        return Credential(USER, SECRET) if registry == server.address else None

    return make_session(find=find, trace=trace.append)


@pytest.fixture(autouse=True)
def _nothing_leaks(
    stranger: Server, trace: list[str], capfd: pytest.CaptureFixture[str]
) -> Iterator[None]:
    yield
    seen = repr(stranger.log) + "".join(trace) + "".join(capfd.readouterr())
    assert SECRET not in seen
    assert BASIC not in seen
    assert not any("authorization" in item.headers for item in stranger.log)
    assert not any("cookie" in item.headers for item in stranger.log)
