"""Images of programs start in a real engine, with the arguments and variables of the binary."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.harness import programs, servers
from tests.integration.harness.launchers import launch, runfile


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with servers.docker_daemon() as address:
        yield address


def _run(host: str, name: str, *words: str) -> str:
    env = {"DOCKER_HOST": host}
    loaded = launch(f"tests/integration/images/load_{name}", env=env)
    assert loaded["references"] == [f"lading.test/{name}:test"]
    command = ["docker", "run", "--rm", "--network=none", loaded["references"][0], *words]
    try:
        return programs.run(command, env=env)
    finally:
        programs.run(["docker", "image", "rm", "--force", loaded["references"][0]], env=env)


def test_a_py_binary_finds_its_modules_data_and_dependencies(host: str) -> None:
    shown = _run(host, "py")
    data = "tests/rules/programs/data.txt"
    assert shown == f"hello world test --file {data} two words absl.flags\n"


def test_a_cc_binary_gets_its_arguments_and_environment(host: str) -> None:
    assert _run(host, "cc") == "hello test a\n"


def test_an_sh_binary_runs_on_a_base_that_has_a_shell(host: str) -> None:
    assert _run(host, "sh_on_base") == "hello test a\n"


def test_arguments_of_the_run_replace_those_of_the_binary(host: str) -> None:
    assert _run(host, "cc", "b", "c") == "hello test b c\n"


def test_command_tests_run_in_a_container_and_leave_nothing(host: str) -> None:
    env = {"DOCKER_HOST": host}
    shown = programs.run([runfile("tests/integration/images/commands")], env=env)
    assert "ok   command: says hello" in shown
    assert "1 of 1 checks hold" in shown
    assert "lading.test" not in programs.run(["docker", "image", "ls"], env=env)
