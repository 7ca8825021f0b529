"""Images built for a job and run, and a small disk that cleanup keeps within its limits."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import programs, servers
from tests.integration.harness.launchers import runfile
from tests.unit.store.stores import save_image

_STORE = "tools/lading/commands/store/store"
_CLEANUP = "tools/lading/commands/cleanup"
_MIB = 1024 * 1024


def _run(
    tool: str, *words: str | Path, host: str, code: int = 0
) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        [str(runfile(tool)), *map(str, words)],
        env={**os.environ, "DOCKER_HOST": host},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == code, result.stderr
    return result


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with servers.docker_daemon() as address:
        yield address


def test_a_compiler_that_no_image_has_is_installed_saved_and_runs(
    tmp_path: Path, host: str
) -> None:
    """S1.4: real Debian packages; the second call builds nothing and takes seconds."""
    wanted = ["--project=capy", "--os=debian-13", "--compiler=gcc14", f"--store={tmp_path}"]
    first = json.loads(_run(_STORE, "prepare", *wanted, "--json", host=host).stdout)
    assert (first["name"], first["score"], first["built"]) == ("capy-debian-13-gcc14", 100, True)
    matched = json.loads(_run(_STORE, "match", *wanted, "--json", host=host).stdout)
    assert (matched["best_image_path"], matched["needs_build"]) == (first["best_image_path"], False)

    reference = _run(_STORE, "prepare", *wanted, "--load", host=host).stdout.strip()
    start = time.monotonic()
    again = json.loads(_run(_STORE, "prepare", *wanted, "--load", "--json", host=host).stdout)
    assert again["loaded"]["references"] == [reference]
    assert again["loaded"]["sentLayers"] == 0
    assert time.monotonic() - start < 10
    docker = ["docker", "--host", host, "run", "--rm", "--network=none", reference]
    assert " 14." in programs.run([*docker, "gcc", "--version"]).splitlines()[0]
    program = 'echo "int main(){return 42;}" >/tmp/a.c && gcc -o /tmp/a /tmp/a.c && /tmp/a; echo $?'
    assert programs.run([*docker, "sh", "-c", program]).strip() == "42"


def test_a_missing_package_is_added_to_the_image_that_is_there(tmp_path: Path, host: str) -> None:
    wanted = ["--project=tiny", "--os=debian-13", f"--store={tmp_path}", "--json"]
    first = json.loads(_run(_STORE, "prepare", *wanted, host=host).stdout)
    more = json.loads(_run(_STORE, "prepare", *wanted, "--tool=make", host=host).stdout)
    assert (first["name"], more["name"], more["built"]) == (*["tiny-debian-13-base"] * 2, True)
    assert more["score"] == 120
    words = ["load", more["name"], f"--store={tmp_path}"]
    reference = _run(_STORE, *words, host=host).stdout.strip()
    docker = ["docker", "--host", host, "run", "--rm", "--network=none", reference]
    assert programs.run([*docker, "make", "--version"]).startswith("GNU Make")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 192 MiB: room for packages while they are unpacked."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=192m", "lading", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system takes root")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_small_disk_is_held_within_its_limits_while_a_container_runs(
    disk: Path, host: str
) -> None:
    """S1.7: the image that a container runs from is the least valuable, and stays."""
    programs.need("docker")
    running = "tiny-debian-13-base"
    wanted = ["prepare", "--project=tiny", "--os=debian-13", f"--store={disk}", "--load"]
    reference = _run(_STORE, *wanted, host=host).stdout.strip()
    docker = ["docker", "--host", host]
    container = programs.run(
        [*docker, "run", "--detach", "--network=none", reference, "sleep", "600"]
    ).strip()
    try:
        limit = 24 * _MIB + (disk / "images" / "tiny" / f"{running}.tar").stat().st_size
        free = shutil.disk_usage(disk).free - 24 * _MIB
        for number in range(1, 9):
            save_image(disk, f"capy-debian-13-gcc{number}", str(number), size=4 * _MIB)
            _clean(disk, f"--max-total-size={limit}", f"--min-free={free}", host=host)
            archives = sum(path.stat().st_size for path in disk.rglob("*.tar"))
            assert archives <= limit
            assert shutil.disk_usage(disk).free >= free
            assert (disk / "images" / "tiny" / f"{running}.tar").exists()
        assert (disk / "images" / "capy" / "capy-debian-13-gcc8.tar").exists()
        assert not (disk / "images" / "capy" / "capy-debian-13-gcc1.tar").exists()

        # What cannot be met is said, with a code of its own, and the container's image is kept.
        done = _clean(disk, "--max-total-size=1M", host=host, code=9)
        assert list(done["kept"]) == [running]
        assert [path.name for path in disk.rglob("*.tar")] == [f"{running}.tar"]
    finally:
        programs.run([*docker, "rm", "--force", container])
    # The loaded copy goes too, by its name: other names of it are not lading's.
    named = [*docker, "image", "inspect", "--format={{.Id}}", reference]
    ours = programs.run(named).strip()
    programs.run([*docker, "tag", ours, "kept:here"])
    _clean(disk, "--max-total-size=1M", "--remove-loaded", host=host)
    assert list(disk.rglob("*.tar")) == []
    listed = programs.run([*docker, "images", "--format={{.Repository}}"]).split()
    assert "kept" in listed
    assert running not in listed


def _clean(disk: Path, *words: str, host: str, code: int = 0) -> Any:
    return json.loads(
        _run(
            _CLEANUP, *words, f"--store={disk}", "--daemon=docker", "--json", host=host, code=code
        ).stdout
    )
