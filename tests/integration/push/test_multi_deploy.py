"""Many pushes and a load as one command, with a real registry and a real Docker daemon."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.harness import programs, servers
from tests.integration.harness.launchers import launch

ALL = "tests/integration/push/all"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.docker_registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


def test_pushes_share_their_layers_and_skopeo_reads_them_all(registry: str, tmp_path: Path) -> None:
    programs.need("skopeo")
    result = launch(ALL, "--only=push", f"--registry={registry}")

    one, two, both = result["operations"]
    assert one["sent"] + two["sent"] + both["sent"] > 0
    # The layer that all of them have is sent once, and mounted in the other two repositories.
    shared = _largest_layer(registry, "team/one")
    assert one["mounted"] + two["mounted"] + both["mounted"] >= 2
    assert sum(operation["sentBytes"] for operation in result["operations"]) < 2 * shared
    for operation in result["operations"]:
        tag = operation["references"][0].partition("@")[0]
        programs.run(
            [
                "skopeo", "copy", "--all", "--src-tls-verify=false",
                f"docker://{tag}", f"oci:{tmp_path}/{tag.rpartition('/')[2].replace(':', '-')}",
            ]
        )  # fmt: skip

    again = launch(ALL, "--only=push", f"--registry={registry}")
    assert again["requests"] == 3
    assert not any(operation["changed"] for operation in again["operations"])


def test_image_goes_where_its_spec_says(registry: str) -> None:
    result = launch("tests/integration/push/carried", f"--registry={registry}")
    assert [operation["destination"] for operation in result["operations"]] == [
        f"{registry}/specs/carrier"
    ]


def test_index_goes_with_its_images_and_referrers_and_mounts_what_is_there(registry: str) -> None:
    programs.need("crane")
    launch("tests/integration/push/one.push", f"--registry={registry}")
    result = launch("tests/integration/push/full.push", f"--registry={registry}")

    assert result["repository"] == "full/app"
    assert result["mounted"] >= 1
    tags = programs.run(["crane", "ls", "--insecure", f"{registry}/full/app"]).split()
    # docker-registry has no referrers API, so the fallback tag lists them.
    fallback = result["digest"].replace(":", "-")
    assert sorted(tags) == sorted(["v1", "v1-linux-amd64", "v1-linux-arm64", fallback])


def test_soci_index_is_where_its_image_says(registry: str) -> None:
    launch("tests/integration/push/soci.push", f"--registry={registry}")

    image = json.loads(_get(registry, "team/soci", "manifests/v1"))
    digest = image["annotations"]["com.amazon.soci.index-digest"]
    index = json.loads(_get(registry, "team/soci", f"manifests/{digest}"))
    assert index["config"]["mediaType"] == "application/vnd.amazon.soci.index.v2+json"
    assert _get(registry, "team/soci", f"blobs/{index['config']['digest']}") == b"{}"
    # One layer of the two has a zTOC.
    (ztoc,) = index["layers"]
    assert ztoc["annotations"]["com.amazon.soci.image-layer-digest"] == image["layers"][0]["digest"]
    data = _get(registry, "team/soci", f"blobs/{ztoc['digest']}")
    assert f"sha256:{hashlib.sha256(data).hexdigest()}" == ztoc["digest"]
    assert len(data) == ztoc["size"]


def test_soci_indexes_go_where_an_image_index_is_copied(registry: str, tmp_path: Path) -> None:
    programs.need("skopeo")
    launch("tests/integration/push/soci.both.push", f"--registry={registry}")

    source = f"docker://{registry}/team/soci-both:v1"
    copy = ["skopeo", "copy", "--src-tls-verify=false"]
    programs.run([*copy, "--all", source, f"oci:{tmp_path}/all:v1"])
    blobs = tmp_path / "all/blobs/sha256"
    [root] = json.loads((tmp_path / "all/index.json").read_bytes())["manifests"]
    listed = json.loads((blobs / _hex(root)).read_bytes())["manifests"]
    images, artifacts = listed[:2], listed[2:]
    for image, soci in zip(images, artifacts, strict=True):
        manifest = json.loads((blobs / _hex(image)).read_bytes())
        assert manifest["annotations"]["com.amazon.soci.index-digest"] == soci["digest"]
        for ztoc in json.loads((blobs / _hex(soci)).read_bytes())["layers"]:
            assert hashlib.sha256((blobs / _hex(ztoc)).read_bytes()).hexdigest() == _hex(ztoc)
    # Who asks for a platform gets the image.
    for image in images:
        architecture = image["platform"]["architecture"]
        arch = f"--override-arch={architecture}"
        programs.run([*copy, arch, source, f"oci:{tmp_path}/{architecture}:v1"])
        assert (tmp_path / architecture / "blobs/sha256" / _hex(image)).exists()


def _hex(descriptor: dict[str, str]) -> str:
    return descriptor["digest"].removeprefix("sha256:")


def test_image_is_pushed_and_loaded_by_one_command(registry: str) -> None:
    with servers.docker_daemon() as host:
        result = launch(ALL, f"--registry={registry}", f"--host={host}")
        loaded = result["operations"][-1]
        docker = ["docker", "--host", host]
        try:
            inspected = programs.run(
                [*docker, "image", "inspect", "--format", "{{.Id}}", loaded["references"][0]]
            )
        finally:
            programs.run([*docker, "rmi", "--force", *loaded["references"]])
    assert loaded["kind"] == "load"
    assert inspected.strip() == loaded["id"]


def _largest_layer(registry: str, repository: str) -> int:
    manifest = json.loads(_get(registry, repository, "manifests/v1"))
    sizes: list[int] = [layer["size"] for layer in manifest["layers"]]
    return max(sizes)


def _get(registry: str, repository: str, place: str) -> bytes:
    request = urllib.request.Request(
        f"http://{registry}/v2/{repository}/{place}",
        headers={"Accept": "application/vnd.oci.image.manifest.v1+json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        data: bytes = response.read()
    return data
