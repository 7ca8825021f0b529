"""Images on imported bases go to a registry whole, their base's layers included."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.harness import programs, servers
from tests.integration.harness.launchers import launch


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.docker_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.mark.parametrize("form", ["archive", "layout"])
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
