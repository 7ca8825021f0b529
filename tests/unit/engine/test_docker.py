"""What lading does when a Docker daemon fails, at each place where it can (S1.1, S1.2)."""

from __future__ import annotations

import errno
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lading.engine import endpoint, loading
from lading.engine.docker import Docker
from lading.errors import (
    ConflictError,
    CorruptError,
    EngineError,
    LimitError,
    NotFoundError,
    StorageError,
)
from lading.layer import decompress
from lading.oci.digest import Digest
from lading.oci.platform import Platform
from lading.store import image as images
from tests.unit.engine import scripted_daemon
from tests.unit.engine.scripted_daemon import Daemon, Request
from tests.unit.store import tiny


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    # A socket's path may have 107 characters; pytest's tmp_path is longer in a sandbox.
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as directory,
        scripted_daemon.serving(Path(directory)) as served,
    ):
        Path(directory).chmod(0o755)
        yield served


@pytest.fixture
def docker(daemon: Daemon) -> Iterator[Docker]:
    engine = Docker(endpoint.parse(f"unix://{daemon.socket}", "the test"))
    yield engine
    engine.close()


class _Store:
    """A daemon's images, as far as loading one shows them."""

    def __init__(self, daemon: Daemon, image: images.Image) -> None:
        self.daemon, self.image = daemon, image
        self.names: list[str] = []
        self.archives: list[bytes] = []
        daemon.routes["POST", "/images/load"] = self.load
        daemon.routes["POST", f"/images/{image.config.digest}/tag"] = self.tag

    def load(self, request: Request) -> tuple[int, Any]:
        self.archives.append(request.body())
        self.daemon.on("GET", f"/images/{self.image.config.digest}/json", value=self.value())
        return 200, {"stream": "Loaded image ID"}

    def tag(self, request: Request) -> tuple[int, Any]:
        self.names.append(request.path)
        self.daemon.on("GET", "/images/app:dev/json", value=self.value())
        return 201, None

    def value(self) -> dict[str, Any]:
        return {
            "Id": str(self.image.config.digest),
            "RepoTags": [],
            "RootFS": {"Layers": [str(item) for item in self.image.diff_ids]},
            "Os": "linux",
            "Architecture": "amd64",
        }

    def members(self) -> dict[str, bytes]:
        with tarfile.open(fileobj=io.BytesIO(self.archives[-1])) as tar:
            return {
                item.name: tar.extractfile(item).read()  # type: ignore[union-attr]
                for item in tar.getmembers()
            }


def _image(compression: str = "gzip") -> tuple[tiny.MemoryContent, images.Image]:
    content = tiny.MemoryContent()
    layers = [tiny.layer({"a": b"a" * 4000}, compression), tiny.layer({"b": b"b"}, compression)]
    return content, images.read(content, tiny.image(content, layers))


def test_the_name_moves_after_the_image_was_verified(daemon: Daemon, docker: Docker) -> None:
    content, image = _image()
    _Store(daemon, image)
    loaded = loading.load(docker, content, image.manifest, ["app:dev"])
    assert loaded.names == ("app:dev",)
    assert (loaded.layers_sent, loaded.bytes_sent) == (2, image.size)
    calls = [f"{method} {path}" for method, path in daemon.seen]
    load = next(place for place, call in enumerate(calls) if "images/load" in call)
    tag = next(place for place, call in enumerate(calls) if call.endswith("tag?repo=app&tag=dev"))
    assert load < tag
    assert any(str(image.config.digest) in call for call in calls[load:tag])


def test_an_image_that_is_there_is_only_named(daemon: Daemon, docker: Docker) -> None:
    content, image = _image()
    store = _Store(daemon, image)
    daemon.on("GET", f"/images/{image.config.digest}/json", value=store.value())
    loaded = loading.load(docker, content, image.manifest, ["app:dev"])
    assert (loaded.layers_sent, store.archives, len(store.names)) == (0, [], 1)


def test_a_dry_run_asks_and_changes_nothing(daemon: Daemon, docker: Docker) -> None:
    content, image = _image()
    store = _Store(daemon, image)
    loaded = loading.load(docker, content, image.manifest, ["app:dev"], dry_run=True)
    assert (loaded.names, loaded.id) == (("app:dev",), image.config.digest)
    assert (loaded.layers_sent, loaded.bytes_sent) == (2, image.size)
    daemon.on("GET", f"/images/{image.config.digest}/json", value=store.value())
    loaded = loading.load(docker, content, image.manifest, ["app:dev"], dry_run=True)
    assert (loaded.layers_sent, loaded.bytes_sent) == (0, 0)
    assert {method for method, _ in daemon.seen} == {"GET"}


def test_layers_that_another_image_has_are_not_sent(daemon: Daemon, docker: Docker) -> None:
    content, image = _image()
    store = _Store(daemon, image)
    other = {**store.value(), "Id": "sha256:" + "0" * 64}
    other["RootFS"] = {"Layers": [str(image.diff_ids[0])]}
    daemon.on("GET", "/images/json", value=[{"Id": other["Id"]}])
    daemon.on("GET", f"/images/{other['Id']}/json", value=other)
    assert loading.load(docker, content, image.manifest, ["app:dev"]).layers_sent == 1
    names = store.members()
    assert f"blobs/sha256/{image.layers[1].digest.hex}" in names
    assert f"blobs/sha256/{image.layers[0].digest.hex}" not in names


def test_everything_is_sent_when_the_shared_layers_vanished(daemon: Daemon, docker: Docker) -> None:
    content, image = _image()
    store = _Store(daemon, image)
    other = {**store.value(), "Id": "sha256:" + "0" * 64}
    daemon.on("GET", "/images/json", value=[{"Id": other["Id"]}])
    daemon.on("GET", f"/images/{other['Id']}/json", value=other)
    answers = iter([(200, {"error": "open layer: no such file"}), None])

    def load(request: Request) -> tuple[int, Any] | None:
        answer = next(answers)
        if answer is None:
            return store.load(request)
        request.body()
        return answer

    daemon.routes["POST", "/images/load"] = load
    loaded = loading.load(docker, content, image.manifest, ["app:dev"])
    assert (loaded.layers_sent, loaded.bytes_sent) == (2, image.size)


def test_zstd_layers_are_unpacked_for_a_daemon_that_does_not_know_them(
    daemon: Daemon, docker: Docker
) -> None:
    content, image = _image("zstd")
    store = _Store(daemon, image)
    loading.load(docker, content, image.manifest, ["app:dev"])
    files = store.members()
    [manifest] = json.loads(files["manifest.json"])
    assert [Digest.of(files[name]) for name in manifest["Layers"]] == list(image.diff_ids)


def test_zstd_layers_are_sent_as_they_are_to_a_newer_daemon(daemon: Daemon, docker: Docker) -> None:
    daemon.on("GET", "/version", value={**scripted_daemon.VERSION, "ApiVersion": "1.43"})
    content, image = _image("zstd")
    store = _Store(daemon, image)
    loading.load(docker, content, image.manifest, ["app:dev"])
    assert content.blobs[image.layers[0].digest] in store.members().values()


def test_a_zstd_layer_with_another_diff_id_is_corrupt(daemon: Daemon, docker: Docker) -> None:
    content = tiny.MemoryContent()
    layers = [tiny.layer({"a": b"a"}, "zstd")]
    wrong = [str(Digest.of(b"something else"))]
    root = tiny.image(content, layers, rootfs={"type": "layers", "diff_ids": wrong})
    with pytest.raises(CorruptError, match="unpacks to something else"):
        loading.load(docker, content, root, ["app:dev"])
    assert not [path for method, path in daemon.seen if method == "POST"]


def test_a_zstd_bomb_is_refused(docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompress, "_FREE_SIZE", 1 << 20)
    content = tiny.MemoryContent()
    root = tiny.image(content, [tiny.layer({"zeros": bytes(32 << 20)}, "zstd")])
    with pytest.raises(LimitError, match="expands to more than"):
        loading.load(docker, content, root, ["app:dev"])


def test_no_room_for_an_unpacked_layer_is_said(
    docker: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    content, image = _image("zstd")
    with pytest.raises(StorageError, match="No space left"):
        loading.load(docker, content, image.manifest, ["app:dev"])


def test_a_corrupt_layer_ends_the_upload_and_names_nothing(daemon: Daemon, docker: Docker) -> None:
    content, image = _image()
    store = _Store(daemon, image)
    last = image.layers[-1].digest
    content.blobs[last] = b"x" * len(content.blobs[last])
    with pytest.raises(CorruptError, match=last.hex):
        loading.load(docker, content, image.manifest, ["app:dev"])
    assert (store.names, store.archives) == ([], [])


def test_an_error_in_the_stream_of_messages_is_an_error(daemon: Daemon, docker: Docker) -> None:
    content, image = _image()

    def load(request: Request) -> tuple[int, Any]:
        request.body()
        return 200, {"errorDetail": {"message": "no space left on device"}, "error": "x"}

    daemon.routes["POST", "/images/load"] = load
    with pytest.raises(EngineError, match="refused the image: no space left on device"):
        loading.load(docker, content, image.manifest, ["app:dev"])


def test_an_answer_before_the_end_of_the_upload_is_read(daemon: Daemon, docker: Docker) -> None:
    content = tiny.MemoryContent()
    big = tiny.layer({"big": os.urandom(6_000_000)}, "none")
    root = tiny.image(content, [big])

    def load(request: Request) -> tuple[int, Any]:
        request.body(limit=1000)
        request.hang_up()
        return 500, {"message": "write /tmp/x: no space left on device"}

    daemon.routes["POST", "/images/load"] = load
    with pytest.raises(EngineError) as caught:
        loading.load(docker, content, root, ["app:dev"])
    assert "no space left" in str(caught.value) or "went away" in str(caught.value)
    assert caught.value.exit_code == 10


def test_a_daemon_that_dies_in_the_middle_is_reported(daemon: Daemon, docker: Docker) -> None:
    content, image = _image()

    def die(request: Request) -> None:
        request.body(limit=100)

    daemon.routes["POST", "/images/load"] = die
    with pytest.raises(EngineError, match="went away while an image was loaded"):
        loading.load(docker, content, image.manifest, ["app:dev"])


def test_a_daemon_that_accepts_but_has_nothing_is_caught(daemon: Daemon, docker: Docker) -> None:
    content, image = _image()
    store = _Store(daemon, image)

    def forget(request: Request) -> tuple[int, Any]:
        request.body()
        return 200, {"stream": "Loaded image"}

    daemon.routes["POST", "/images/load"] = forget
    with pytest.raises(CorruptError, match=r"accepted .* but has no image"):
        loading.load(docker, content, image.manifest, ["app:dev"])
    assert store.names == []


def test_a_name_that_shows_another_image_afterwards_is_an_error(
    daemon: Daemon, docker: Docker
) -> None:
    content, image = _image()
    store = _Store(daemon, image)

    def tag(request: Request) -> tuple[int, Any]:
        stale = {**store.value(), "Id": "sha256:" + "1" * 64}
        daemon.on("GET", "/images/app:dev/json", value=stale)
        return 201, None

    daemon.routes["POST", f"/images/{image.config.digest}/tag"] = tag
    with pytest.raises(EngineError, match=r"named app:dev, but it is sha256:1111"):
        loading.load(docker, content, image.manifest, ["app:dev"])


def test_the_wrong_platform_is_refused_before_anything_is_sent(
    daemon: Daemon, docker: Docker
) -> None:
    content = tiny.MemoryContent()
    root = tiny.image(content, [tiny.layer({"a": b""})], Platform("linux", "s390x"))
    with pytest.raises(NotFoundError, match="no image for linux/amd64: it holds linux/s390x"):
        loading.load(docker, content, root, ["app:dev"])
    assert not [path for method, path in daemon.seen if method == "POST"]


def test_where_images_are_in_containerd_the_id_is_the_manifests_digest(
    daemon: Daemon, docker: Docker
) -> None:
    status = [["driver-type", "io.containerd.snapshotter.v1"]]
    daemon.on("GET", "/info", value={"DriverStatus": status})
    content, image = _image()
    store = _Store(daemon, image)
    value = {**store.value(), "Id": str(image.manifest.digest)}

    def load(request: Request) -> tuple[int, Any]:
        store.archives.append(request.body())
        daemon.on("GET", f"/images/{image.manifest.digest}/json", value=value)
        return 200, {}

    def tag(request: Request) -> tuple[int, Any]:
        daemon.on("GET", "/images/app:dev/json", value=value)
        return 201, None

    daemon.routes["POST", "/images/load"] = load
    daemon.routes["POST", f"/images/{image.manifest.digest}/tag"] = tag
    assert loading.load(docker, content, image.manifest, ["app:dev"]).id == image.manifest.digest
    assert {"oci-layout", "index.json"} <= set(store.members())


def test_an_image_in_use_is_not_removed(daemon: Daemon, docker: Docker) -> None:
    daemon.on("DELETE", "/images/app:dev", 409, {"message": "container 12 is using it"})
    with pytest.raises(ConflictError, match="used by a container"):
        docker.remove("app:dev")


def test_removing_what_is_gone_is_no_error(daemon: Daemon, docker: Docker) -> None:
    docker.remove("app:dev")
    assert ("DELETE", "/v1.41/images/app:dev") in daemon.seen


def test_images_of_live_containers_count_as_used(daemon: Daemon, docker: Docker) -> None:
    states = ("created", "running", "paused", "restarting", "exited", "dead")
    value = [{"ImageID": f"sha256:{n:064x}", "State": state} for n, state in enumerate(states)]
    daemon.on("GET", "/containers/json", value=value)
    assert docker.used() == {Digest("sha256", f"{number:064x}") for number in range(4)}
    assert ("GET", "/v1.41/containers/json?all=1") in daemon.seen


def test_no_daemon_says_what_was_looked_for() -> None:
    engine = Docker(endpoint.docker_endpoint(environ={"HOME": "/nonexistent"}))
    with pytest.raises(EngineError) as caught:
        engine.platform()
    text = str(caught.value)
    for looked in ("DOCKER_HOST", "context", "/nonexistent/.docker/run/docker.sock"):
        assert looked in text
    assert "Errno" not in text


def test_a_socket_without_access_says_so(daemon: Daemon, docker: Docker) -> None:
    daemon.socket.chmod(0)
    user = os.geteuid()
    if user == 0:
        try:
            os.seteuid(65534)  # root has access to every socket
        except OSError:
            pytest.skip("the sandbox has one user only, and that one may open every socket")
    try:
        with pytest.raises(EngineError, match="denied"):
            docker.platform()
    finally:
        os.seteuid(user)
