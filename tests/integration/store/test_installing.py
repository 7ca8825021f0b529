"""What a builder installs in a container of a stored base, for real (S1.4, S0.6).

No mirror of Ubuntu is at hand where this was written. So the base is a real Debian 13 with apt,
made by mmdebstrap from the machine's mirror and stored under the name of an Ubuntu: what matters is
that lading knows nothing about the packages of that system, and the image's own apt does all.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lading.oci import document, media_types
from lading.oci.content import FilesContent
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.store import naming, save
from lading.store.archive import Archive
from lading.store.save import Facts
from tests.integration.harness import programs, servers
from tests.integration.harness.launchers import runfile

_STORE = "tools/lading/commands/store/store"
_BASE = "capy-ubuntu-24.04-base"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_WANTED = ("--project=capy", "--os=ubuntu-24.04")


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with servers.docker_daemon() as address:
        yield address


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Debian 13 with apt as one tar."""
    programs.need("apt-get", "dpkg-deb", "perl")
    if os.geteuid() != 0:
        pytest.skip("making a Debian takes root")
    directory = tmp_path_factory.mktemp("debian")
    for name in ("state/lists/partial", "cache/archives/partial", "tool"):
        (directory / name).mkdir(parents=True)
    apt = ["apt-get", f"-oDir::State={directory}/state", f"-oDir::Cache={directory}/cache"]
    apt += ["-oDir::State::status=/dev/null", "-oAPT::Sandbox::User=root"]
    programs.run([*apt, "update"])
    subprocess.run([*apt, "download", "mmdebstrap"], cwd=directory / "tool", check=True)
    [package] = (directory / "tool").glob("*.deb")
    programs.run(["dpkg-deb", "-x", package, directory / "tool"])
    tar = directory / "rootfs.tar"
    programs.run(
        [
            *("perl", directory / "tool/usr/bin/mmdebstrap", "--mode=root", "--variant=apt"),
            *('--aptopt=Acquire::Check-Valid-Until "false"', "trixie", tar),
        ]
    )
    return tar


@pytest.fixture
def store(tmp_path: Path, rootfs: Path) -> Path:
    """A store with that base, which runs as somebody who may install nothing."""
    with rootfs.open("rb") as file:
        digest = Digest("sha256", hashlib.file_digest(file, "sha256").hexdigest())
    layer = Descriptor(media_types.LAYER, digest, rootfs.stat().st_size)
    config = document.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": [f"PATH={_PATH}"], "Cmd": ["/bin/bash"], "User": "nobody"},
            "rootfs": {"type": "layers", "diff_ids": [str(digest)]},
            "history": [{"created_by": "mmdebstrap"}],
        }
    )
    manifest = document.dumps(
        {
            "schemaVersion": 2,
            "mediaType": media_types.MANIFEST,
            "config": Descriptor.of(media_types.CONFIG, config).to_json(),
            "layers": [layer.to_json()],
        }
    )
    files = {digest: rootfs}
    for name, data in (("config", config), ("manifest", manifest)):
        (tmp_path / name).write_bytes(data)
        files[Digest.of(data)] = tmp_path / name
    root = tmp_path / "store"
    source = Descriptor.of(media_types.MANIFEST, manifest)
    save.save(root, FilesContent(files), source, Facts(naming.parse(_BASE)))
    return root


def _run(
    *words: str | Path, env: Mapping[str, str], code: int = 0
) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        [str(runfile(_STORE)), *map(str, words)],
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    sys.stderr.write(result.stderr)
    assert result.returncode == code
    return result


def test_packages_are_installed_by_the_image_s_own_apt_saved_and_run(
    store: Path, host: str
) -> None:
    env = {"DOCKER_HOST": host, "LADING_STORE": str(store)}
    words = ["prepare", *_WANTED, "--compiler=gcc14", "--tool=make", "--json", "--builder=docker"]
    first = _run(*words, env=env)
    made = json.loads(first.stdout)
    assert (made["name"], made["score"], made["built"]) == ("capy-ubuntu-24.04-gcc14", 120, True)
    assert "Setting up gcc-14" in first.stderr  # streamed, and maintainer scripts ran
    again = json.loads(_run(*words, env=env).stdout)
    assert again == {**made, "built": False}

    reference = _run("load", made["name"], env=env).stdout.strip()
    docker = ["docker", "--host", host, "run", "--rm", "--network=none", reference]
    assert " 14." in programs.run([*docker, "gcc", "--version"]).splitlines()[0]
    assert programs.run([*docker, "id", "--user", "--name"]).strip() == "nobody"
    assert programs.run([*docker, "sh", "-c", "ls /mnt /var/lib/apt/lists | grep -c ."]) == "2\n"
    # The base's layer is the very blob that it was.
    base = json.loads(_run("show", _BASE, "--json", env=env).stdout)
    below, all_ = _layers(Path(base["path"])), _layers(Path(made["best_image_path"]))
    assert (all_[:-1], len(below)) == (below, 1)


def test_a_failed_installation_keeps_what_is_there_and_says_why(
    store: Path, tmp_path: Path
) -> None:
    """With buildah: no daemon is needed. It fails for want of sources."""
    programs.need("buildah", "unshare")
    sources = tmp_path / "mirror.list"
    sources.write_text("# no mirror\n")
    env = {"LADING_STORE": str(store), "DOCKER_HOST": "unix:///nowhere"}
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*.tar")}
    words = ["prepare", *_WANTED, "--tool=make", "--builder=buildah", f"--apt-sources={sources}"]
    failed = _run(*words, env=env, code=10)
    last = [line for line in failed.stderr.splitlines() if line][-2:]
    assert "capy-ubuntu-24.04-base could not be built" in last[0]
    assert "exit status 100" in last[0]
    assert "Unable to locate package make" in last[0]
    assert failed.stdout == ""
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*.tar")} == before
    assert [path.name for path in (store / ".lading" / "building").iterdir()] == [f"{_BASE}.lock"]
    # And without a base, or a builder, it says what is missing.
    words = ["prepare", "--project=other", "--os=ubuntu-22.04", "--builder=buildah"]
    assert "store save other-ubuntu-22.04-base" in _run(*words, env=env, code=4).stderr
    words = ["prepare", *_WANTED, "--tool=make", "--builder=docker"]
    assert "unix:///nowhere" in _run(*words, env=env, code=10).stderr


def _layers(path: Path) -> list[str]:
    with Archive(path) as archive:
        return [str(layer.digest) for layer in archive.image().layers]
