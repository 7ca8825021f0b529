"""A check that does not hold fails its test, and says which and why."""

from __future__ import annotations

import subprocess

import pytest

from tests.integration.harness.launchers import runfile


def _run(name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [runfile(f"tests/rules/checks/{name}")], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("name", "code", "messages"),
    [
        (
            "wrong_structure",
            1,
            [
                "FAIL file: the program\n     /bin/hello_cc does not exist",
                "ok   file: no shell",
                "FAIL env: STAGE\n     STAGE is not set",
                "FAIL entrypoint\n     entrypoint is [], not ['/bin/hello_cc']",
            ],
        ),
        (
            "wrong_contract",
            1,
            [
                "FAIL binary /bin/atticd\n     /bin/atticd does not exist",
                "FAIL arguments --mode monolithic",
                "0 of 3 checks hold",
            ],
        ),
        ("wrong_digest", 1, ["FAIL digest sha256:1111", "     it is sha256:"]),
        ("command_without_engine", 3, ["command tests need a container engine", "daemon ="]),
    ],
)
def test_a_check_that_does_not_hold_says_why(name: str, code: int, messages: list[str]) -> None:
    done = _run(name)
    shown = done.stdout + done.stderr
    assert done.returncode == code, shown
    for message in messages:
        assert message in shown
    assert "Traceback" not in shown
