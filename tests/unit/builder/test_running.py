"""Limits, hosts, entitlements and caches: what is refused, and what builders are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lading.builder.policy import admit
from lading.builder.request import BuildRequest
from lading.builder.running import cache_flags, run_flags
from lading.errors import UsageError


def _request(directory: Path, **fields: Any) -> BuildRequest:
    (directory / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    return BuildRequest(directory, **fields)


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"ulimits": {"files": "1"}}, "no limit 'files'"),
        ({"ulimits": {"nofile": ""}}, "limit nofile is ''"),
        ({"ulimits": {"nofile": "1:2:3"}}, "limit nofile is '1:2:3'"),
        ({"ulimits": {"nofile": "2:1"}}, "limit nofile is '2:1'"),
        ({"ulimits": {"nofile": "-1:1"}}, "limit nofile is '-1:1'"),
        ({"extra_hosts": {"a b": "192.0.2.1"}}, "'a b' is no name of a host"),
        ({"extra_hosts": {"db": "192.0.2"}}, "the host db has the address '192.0.2'"),
        ({"entitlements": frozenset({"device"})}, "no entitlement 'device'"),
        ({"cache_from": ("type=s3,secret_access_key=x",)}, "no type that is known here"),
        ({"cache_from": ("ref=a",)}, "no type that is known here"),
        ({"cache_from": ("type=local,src=cache",)}, "names no directory"),
        ({"cache_to": ("type=local,src=/cache",)}, "names no directory"),
        ({"cache_to": ("type=registry",)}, "names no image"),
    ],
)
def test_what_no_builder_takes_is_refused(
    tmp_path: Path, fields: dict[str, Any], match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        admit(_request(tmp_path, **fields))


def test_what_builders_are_told(tmp_path: Path) -> None:
    request = _request(
        tmp_path,
        ulimits={"nproc": "-1", "nofile": "1024:-1"},
        shm_size=65536,
        extra_hosts={"b.test": "2001:db8::1", "a": "host-gateway"},
        network="host",
        entitlements=frozenset({"security.insecure"}),
        cache_from=("team/app", "type=local,src=/cache"),
        cache_to=("type=inline",),
    )
    assert admit(request).request.cache_to == ("type=inline",)
    assert run_flags(request) == [
        "--ulimit=nofile=1024:-1",
        "--ulimit=nproc=-1",
        "--add-host=a:host-gateway",
        "--add-host=b.test:2001:db8::1",
        "--shm-size=65536",
    ]
    assert cache_flags(request) == [
        "--cache-from=team/app",
        "--cache-from=type=local,src=/cache",
        "--cache-to=type=inline",
        "--allow=network.host",
        "--allow=security.insecure",
    ]


def test_nothing_asked_nothing_said(tmp_path: Path) -> None:
    request = _request(tmp_path)
    assert run_flags(request) + cache_flags(request) == []
