"""Bazel's credential helpers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lading.cas import helper
from lading.errors import InputError

URI = "https://cache.example.com:443/google.bytestream.ByteStream"


def _program(tmp_path: Path, body: str) -> str:
    path = tmp_path / "helper"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_headers_become_metadata(tmp_path: Path) -> None:
    answer = json.dumps({"headers": {"Authorization": ["Bearer t"], "X-Two": ["a", "b"]}})
    program = _program(tmp_path, f"cat >{tmp_path}/asked; echo \"$1\" >>{tmp_path}/asked\n"
                       f"echo '{answer}'")  # fmt: skip
    assert helper.get(program, URI) == (
        ("authorization", "Bearer t"), ("x-two", "a"), ("x-two", "b")
    )  # fmt: skip
    assert (tmp_path / "asked").read_text() == json.dumps({"uri": URI}) + "get\n"


@pytest.mark.parametrize(
    "body",
    [
        "exit 3",
        "echo secret",
        "echo '{\"headers\": 1}'",
        'echo \'{"headers": {"a": "b"}}\'',
        'echo \'{"headers": {"a": ["secret\\u000a"]}}\'',
        'echo \'{"headers": {"a": ["secret\\u00e9"]}}\'',
        'echo \'{"headers": {"a secret": ["b"]}}\'',
    ],
)
def test_helper_that_fails_is_an_error_without_what_it_printed(tmp_path: Path, body: str) -> None:
    with pytest.raises(InputError) as caught:
        helper.get(_program(tmp_path, body), URI)
    assert "secret" not in str(caught.value)


def test_what_a_helper_does_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="failed with exit code 3"):
        helper.get(_program(tmp_path, "exit 3"), URI)
    monkeypatch.setattr(helper, "_TIMEOUT", 0.1)
    with pytest.raises(InputError, match=r"did not answer within 0\.1 s"):
        helper.get(_program(tmp_path, "exec sleep 60"), URI)


def test_helper_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="absent"):
        helper.get(str(tmp_path / "absent"), URI)
