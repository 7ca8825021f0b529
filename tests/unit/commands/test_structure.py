"""container-structure-test configurations and contracts, on images made in memory."""

from __future__ import annotations

import io
import json
import struct
import tarfile
from typing import Any

import pytest

from lading.commands import contract, structure, structure_config
from lading.errors import InputError
from lading.layer.view import View


def _elf(machine: int = 62, interpreter: str = "/lib/ld.so") -> bytes:
    """A 64-bit ELF file of a header and, for a dynamic program, the loader's name."""
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, machine, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    name = interpreter.encode() + b"\0"
    return header + struct.pack("<IIQQQQQQ", 3, 4, 120, 0, 0, len(name), len(name), 1) + name


def _layer(*entries: tuple[str, Any, dict[str, Any]]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content, more in entries:
            info = tarfile.TarInfo(name)
            info.mode = more.get("mode", 0o644)
            info.uid, info.gid = more.get("uid", 0), more.get("gid", 0)
            if content is None:
                info.type = tarfile.DIRTYPE
                archive.addfile(info)
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


LOWER = _layer(
    ("bin/app", _elf(), {"mode": 0o755}),
    ("bin/arm", _elf(183), {"mode": 0o755}),
    ("bin/static", _elf(interpreter="/lib/gone.so"), {"mode": 0o755}),
    ("bin/script", b"#!/bin/app -x\n", {"mode": 0o755}),
    ("lib/ld.so", b"\x7fELF", {"mode": 0o755}),
    ("etc/app.conf", b"port = 80\nname = app\n", {"uid": 7, "gid": 8}),
    ("etc/old", b"old", {}),
    ("etc/link", "app.conf", {"mode": 0o777}),
    ("tmp", None, {"mode": 0o1777}),
)
UPPER = _layer(("etc/.wh.old", b"", {}), ("etc/new", b"new", {}))
VIEW = View([lambda: io.BytesIO(LOWER), lambda: io.BytesIO(UPPER)])
CONFIG: dict[str, Any] = {
    "architecture": "amd64",
    "os": "linux",
    "config": {
        "Cmd": ["--mode", "monolithic"],
        "Entrypoint": ["app", "-v"],
        "Env": ["PATH=/bin", "STAGE=prod"],
        "ExposedPorts": {"8080/tcp": {}, "53/udp": {}},
        "Labels": {"version": "1.2.3"},
        "User": "1000:1000",
        "Volumes": {"/data": {}},
        "WorkingDir": "/srv",
    },
}


def _problems(config: dict[str, Any]) -> list[str]:
    data = json.dumps({"schemaVersion": "2.0.0", **config}).encode()
    found = structure.check(structure_config.read(data, what="test.yaml"), VIEW, CONFIG)
    assert found, "nothing was checked"
    return [result.problem for result in found]


@pytest.mark.parametrize(
    ("test", "problem"),
    [
        ({"path": "/etc/new"}, ""),
        ({"path": "/etc/old"}, "does not exist"),
        ({"path": "/etc/old", "shouldExist": False}, ""),
        ({"path": "/etc/new", "shouldExist": False}, "exists"),
        ({"path": "/etc/app.conf", "permissions": "-rw-r--r--", "uid": 7, "gid": 8}, ""),
        ({"path": "/etc/app.conf", "permissions": "-rwxr-xr-x"}, "permissions are -rw-r--r--"),
        ({"path": "/etc/app.conf", "uid": 0}, "uid is 7, not 0"),
        ({"path": "/etc/app.conf", "gid": 0}, "gid is 8, not 0"),
        ({"path": "/etc/link", "permissions": "Lrwxrwxrwx"}, ""),
        ({"path": "/tmp", "permissions": "drwxrwxrwt"}, ""),
        ({"path": "/tmp", "permissions": "dtrwxrwxrwx"}, ""),
        ({"path": "/bin/app", "isExecutableBy": "other"}, ""),
        ({"path": "/etc/new", "isExecutableBy": "any"}, "not executable by any"),
    ],
)
def test_files(test: dict[str, Any], problem: str) -> None:
    [found] = _problems({"fileExistenceTests": [{"name": "x", **test}]})
    assert problem in found
    assert bool(found) == bool(problem)


@pytest.mark.parametrize(
    ("test", "problem"),
    [
        ({"path": "/etc/link", "expectedContents": ["port = [0-9]+", "app"]}, ""),
        ({"path": "/etc/app.conf", "expectedContents": ["port = 81"]}, "does not match"),
        ({"path": "/etc/app.conf", "excludedContents": ["secret"]}, ""),
        ({"path": "/etc/app.conf", "excludedContents": ["name"]}, "which it must not"),
        ({"path": "/tmp", "expectedContents": ["x"]}, "no regular file"),
        ({"path": "/gone", "expectedContents": ["x"]}, "does not exist"),
    ],
)
def test_content(test: dict[str, Any], problem: str) -> None:
    [found] = _problems({"fileContentTests": [{"name": "x", **test}]})
    assert problem in found
    assert bool(found) == bool(problem)


@pytest.mark.parametrize(
    ("test", "problem"),
    [
        ({"envVars": [{"key": "STAGE", "value": "prod"}]}, ""),
        ({"env": [{"key": "STAGE", "value": "dev"}]}, "STAGE is 'prod'"),
        ({"env": [{"key": "STAGE", "value": "pro.", "isRegex": True}]}, ""),
        ({"env": [{"key": "STAGE", "value": "pr", "isRegex": True}]}, "STAGE is 'prod'"),
        ({"env": [{"key": "HOME", "value": ""}]}, "HOME is not set"),
        ({"unboundEnvVars": [{"key": "HOME"}]}, ""),
        ({"unboundEnvVars": [{"key": "STAGE"}]}, "STAGE is set"),
        ({"labels": [{"key": "version", "value": "1[.]2.*", "isRegex": True}]}, ""),
        ({"labels": [{"key": "vendor", "value": "x"}]}, "vendor is not set"),
        ({"entrypoint": ["app", "-v"]}, ""),
        ({"entrypoint": []}, "entrypoint is"),
        ({"cmd": ["--mode", "monolithic"]}, ""),
        ({"cmd": ["x"]}, "cmd is"),
        ({"exposedPorts": ["8080", "53/udp"]}, ""),
        ({"exposedPorts": ["53"]}, "53 is not exposed"),
        ({"unexposedPorts": ["8080/tcp"]}, "is exposed"),
        ({"volumes": ["/data"]}, ""),
        ({"volumes": ["/x"]}, "no volume"),
        ({"unmountedVolumes": ["/data"]}, "is a volume"),
        ({"workdir": "/srv"}, ""),
        ({"workdir": "/"}, "workdir is '/srv'"),
        ({"user": "1000:1000"}, ""),
        ({"user": "root"}, "user is '1000:1000'"),
    ],
)
def test_metadata(test: dict[str, Any], problem: str) -> None:
    found = "".join(_problems({"metadataTest": test}))
    assert problem in found
    assert bool(found) == bool(problem)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a mapping"),
        ("- a", "not a mapping"),
        ("fileExistenceTests: []", "schemaVersion"),
        ("schemaVersion: 1.0.0", "schemaVersion '1.0.0'"),
        ("schemaVersion: 2.0.0\nfileExistanceTests: []", "unknown key 'fileExistanceTests'"),
        ("schemaVersion: 2.0.0\nfileExistenceTests: [{name: x}]", "'path' is missing"),
        ("schemaVersion: 2.0.0\nmetadataTest: {entryPoint: []}", "unknown key 'entryPoint'"),
        ("schemaVersion: 2.0.0\nlicenseTests: [{debian: true}]", "licenseTests"),
        ("schemaVersion: 2.0.0\na: &a [1]\nb: *a", "alias"),
        (
            "schemaVersion: 2.0.0\ncommandTests: [{name: x, command: y, setup: [[a]]}]",
            "setup or teardown",
        ),
        ("schemaVersion: [", "YAML"),
        ("schemaVersion: 2.0.0\nfileExistenceTests: 1", "fileExistenceTests is no list"),
        ("schemaVersion: 2.0.0\nfileExistenceTests: [{name: x, path: y, uid: root}]", "a number"),
        ("schemaVersion: 2.0.0\ncommandTests: [{name: x, command: y, exitCode: z}]", "a number"),
        ("schemaVersion: 2.0.0\ncommandTests: [{name: x, command: y, args: a}]", "a list"),
        ("schemaVersion: 2.0.0\nglobalEnvVars: [{value: 1}]", "'globalEnvVars' is [{'value': 1}]"),
        ("schemaVersion: 2.0.0\nmetadataTest: {labels: [{value: x}]}", "a list of {key"),
        ("schemaVersion: 2.0.0\nmetadataTest: {volumes: {a: b}}", "a list of texts"),
    ],
)
def test_a_configuration_that_is_wrong_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=r"test\.yaml") as caught:
        structure_config.read(text.encode(), what="test.yaml")
    assert message in str(caught.value)


def test_command_tests_are_read_with_their_variables() -> None:
    text = """
schemaVersion: 2.0.0
globalEnvVars: [{key: A, value: 1}]
commandTests:
  - {name: x, command: app, args: [-v], envVars: [{key: B, value: two}], exitCode: 3,
     expectedOutput: ["1.*"], excludedError: [oops]}
"""
    [command] = structure_config.read(text.encode(), what="test.yaml").commands
    assert command.words == ("app", "-v")
    assert command.env == {"A": "1", "B": "two"}
    assert (command.exit_code, command.expected_output) == (3, ("1.*",))
    assert command.excluded_error == ("oops",)


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ({"binary": "/bin/app", "args": ["--mode", "monolithic"]}, ""),
        ({"binary": "/bin/attic"}, "/bin/attic does not exist"),
        ({"binary": "/bin/static"}, "/lib/gone.so"),
        ({"binary": "/bin/arm"}, "arm"),
        ({"binary": "/bin/script"}, "the image starts /bin/app"),
        ({"binary": "/etc/new"}, "not executable"),
        ({"args": ["--mode"]}, ""),
        ({"args": ["monolithic", "--mode"]}, "the image starts"),
        ({"env": {"STAGE": "prod", "PATH": ""}}, ""),
        ({"env": {"STAGE": "dev"}}, "STAGE is 'prod'"),
        ({"env": {"TOKEN": ""}}, "TOKEN is not set"),
        ({"mounts": ["/etc/app.toml", "/tmp"]}, ""),
        ({"mounts": ["/run/secrets/key"]}, "neither /run/secrets/key nor /run/secrets exists"),
        ({"mounts": ["/etc/new/key"]}, "/etc/new is no directory"),
        ({"ports": ["8080", "53/udp"]}, ""),
        ({"ports": ["53"]}, "53/tcp is not exposed"),
        ({"volumes": ["/data"]}, ""),
        ({"volumes": ["/tmp"]}, "not declared a volume"),
        ({"user": "1000:1000", "nonroot": True}, ""),
        ({"user": "app"}, "the user is '1000:1000'"),
    ],
)
def test_a_contract(wanted: dict[str, Any], problem: str) -> None:
    """S2.9"""
    found = [result.problem for result in contract.check(wanted, VIEW, CONFIG)]
    assert found
    shown = "".join(found)
    assert problem in shown
    assert bool(shown) == bool(problem)


@pytest.mark.parametrize("user", ["", "root", "0:1000"])
def test_root_by_any_name_is_root(user: str) -> None:
    image = {**CONFIG, "config": {"User": user}}
    [result] = contract.check({"nonroot": True}, VIEW, image)
    assert result.problem
