"""Images on imported bases go to a registry whole, their base's layers included."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.harness import programs, servers
from tests.integration.harness.launchers import launch, runfile


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.docker_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.mark.parametrize("form", ["archive", "layout", "links"])
def test_an_image_on_an_imported_base_is_whole(registry: str, tmp_path: Path, form: str) -> None:
    programs.need("crane", "skopeo", "umoci")
    pushed = launch(f"tests/integration/images/push_on_{form}", f"--registry={registry}")
    name = f"{registry}/imports/{form}:1"
    programs.run(["crane", "validate", "--insecure", f"--remote={name}"])
    assert programs.run(["crane", "digest", "--insecure", name]).strip() == pushed["digest"]
    manifest = json.loads(programs.run(["crane", "manifest", "--insecure", name]))
    assert len(manifest["layers"]) > 1
    layout = tmp_path / "layout"
    source = f"docker://{name}"
    programs.run(["skopeo", "copy", "--src-tls-verify=false", source, f"oci:{layout}:x"])
    unpacked = tmp_path / "unpacked"
    programs.run(["umoci", "unpack", "--rootless", f"--image={layout}:x", unpacked])
    assert (unpacked / "rootfs/etc/hello").is_file(), "the layer on top"
    assert (unpacked / "rootfs/etc/passwd").is_file(), "the base"


def test_a_layout_of_ours_is_what_rules_oci_works_with(registry: str, tmp_path: Path) -> None:
    """rules_oci reads `manifests[0]` of index.json and the blobs by their digests, and has crane
    push the directory; here jq's part is done by hand, and crane, skopeo and umoci are real."""
    programs.need("crane", "skopeo", "umoci")
    layout = runfile("tests/rules/imports/on_links.oci")
    assert json.loads((layout / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((layout / "index.json").read_bytes())
    assert index["schemaVersion"] == 2
    [root] = index["manifests"]
    assert root["platform"]["os"] == "linux"
    blobs = list((layout / "blobs/sha256").iterdir())
    for blob in blobs:
        path = blob.resolve()
        assert hashlib.sha256(path.read_bytes()).hexdigest() == blob.name
    manifest = json.loads((layout / "blobs" / root["digest"].replace(":", "/")).read_bytes())
    digests = {item["digest"] for item in (root, manifest["config"], *manifest["layers"])}
    assert digests == {f"sha256:{blob.name}" for blob in blobs}
    name = f"{registry}/imports/by-crane:1"
    programs.run(["crane", "push", "--insecure", layout, name])
    assert programs.run(["crane", "digest", "--insecure", name]).strip() == root["digest"]
    programs.run(["crane", "validate", "--insecure", f"--remote={name}"])
    copied = tmp_path / "copied"
    programs.run(["skopeo", "copy", f"oci:{layout}", f"oci:{copied}:x"])
    programs.run(["umoci", "unpack", "--rootless", f"--image={copied}:x", tmp_path / "unpacked"])
    assert (tmp_path / "unpacked/rootfs/etc/hello").is_file()
