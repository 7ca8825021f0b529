"""eStargz layers in the hands of who knows the format: stargz-snapshotter's tool, and podman."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.harness import programs, servers
from tests.integration.layer import action, inputs, layouts, trees

_TOC = "containerd.io/snapshot/stargz/toc.digest"


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> action.Layer:
    root = tmp_path_factory.mktemp("sources")
    lines = inputs.generate(root)
    return action.build(root, root / "layer", lines, action.KINDS["estargz"])


@pytest.fixture
def containerd(tmp_path: Path) -> Iterator[str]:
    """The address of a running containerd."""
    programs.need("containerd")
    # A UNIX socket's name has at most 107 bytes.
    address = f"/tmp/lading-containerd-{os.getpid()}.sock"
    config = tmp_path / "containerd.toml"
    config.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
    places = [f"--{name}={tmp_path / name}" for name in ("root", "state", "config")]
    places[-1] = f"--config={config}"
    command = ["containerd", f"--address={address}", *places]
    with servers.start(command, tmp_path / "containerd.log") as process:
        servers.wait_until(
            lambda: process.poll() is None and Path(address).exists(), what="a containerd"
        )
        yield address
    for path in Path("/tmp").glob(f"{Path(address).name}*"):
        path.unlink()


def test_the_snapshotters_tool_reads_the_table_of_contents(
    layer: action.Layer, containerd: str, tmp_path: Path
) -> None:
    programs.need("ctr-remote")
    ctr = ["ctr-remote", f"--address={containerd}", "images"]
    layouts.write(tmp_path / "layout", {"estargz": layer})
    with tarfile.open(tmp_path / "image.tar", "w") as archive:
        archive.add(tmp_path / "layout", ".")
    programs.run([*ctr, "import", "--no-unpack", "--base-name=lading", tmp_path / "image.tar"])
    digest = layer.metadata["digest"]
    assert (
        programs.run([*ctr, "get-toc-digest", digest]).strip()
        == (layer.metadata["annotations"][_TOC])
    )
    toc = programs.run([*ctr, "get-toc-digest", "--dump-toc", digest])
    assert '"srv/share/book"' in toc


def test_podman_fetches_files_one_by_one(layer: action.Layer, tmp_path: Path) -> None:
    """With partial pulls podman reads the table, and asks the registry for ranges of the blob."""
    programs.need("podman", "skopeo")
    digests = layouts.write(tmp_path / "layout", {"estargz": layer})
    config = tmp_path / "storage.conf"
    config.write_text(
        "[storage]\n"
        'driver = "overlay"\n'
        f'graphroot = "{tmp_path / "graph"}"\n'
        f'runroot = "{tmp_path / "run"}"\n'
        "[storage.options]\n"
        # The files are checked one by one, so that their archive is not.
        'pull_options = {enable_partial_images = "true", '
        'insecure_allow_unpredictable_image_contents = "true"}\n'
    )
    podman = {"CONTAINERS_STORAGE_CONF": str(config)}
    with servers.docker_registry(tmp_path) as registry:
        reference = f"{registry}/team/layers:estargz"
        keep = ("--preserve-digests", "--dest-tls-verify=false")
        source = f"oci:{tmp_path / 'layout'}:estargz"
        programs.run(["skopeo", "copy", *keep, source, f"docker://{reference}"])
        done = subprocess.run(
            ["podman", "--log-level=debug", "pull", "--tls-verify=false", reference],
            env={**os.environ, **podman},
            capture_output=True,
            text=True,
            check=False,
        )
    if "overlay" in done.stderr and "not supported over" in done.stderr:
        pytest.skip("the file system of temporary files cannot have an overlay above it")
    assert done.returncode == 0, done.stderr
    assert "Retrieved partial blob" in done.stderr, done.stderr
    inspect = ["podman", "image", "inspect", "--format={{.Digest}}", reference]
    assert programs.run(inspect, env=podman).strip() == digests["estargz"]
    place = programs.run(["podman", "image", "mount", reference], env=podman).strip()
    try:
        found = trees.of_directory(Path(place))
    finally:
        programs.run(["podman", "image", "unmount", reference], env=podman)
        subprocess.run(["umount", tmp_path / "graph/overlay"], capture_output=True, check=False)
    expected = trees.of_tar(io.BytesIO(gzip.decompress(layer.blob)))
    for name in ("stargz.index.json", ".no.prefetch.landmark"):
        expected.pop(name)
        found.pop(name, None)
    # Podman sets the time of a directory before it puts files into it, and that of a link never.
    for name, node in expected.items():
        if node.kind != "file":
            found[name] = replace(found[name], mtime=node.mtime)
    assert found == expected
