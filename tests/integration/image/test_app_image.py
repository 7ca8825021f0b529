"""`//app:image` against real tools: a registry, skopeo, umoci, and a Docker daemon that runs it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import programs, servers
from tests.integration.harness.launchers import launch, runfile


@pytest.fixture(scope="module")
def digest() -> str:
    """The digest that Bazel says the image has."""
    text = runfile("app/image.digest").read_text()
    assert text == text.strip()
    return text


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.docker_registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


def test_push_without_configuration_fills_a_layout_that_skopeo_and_umoci_read(
    tmp_path: Path, digest: str
) -> None:
    programs.need("skopeo", "umoci")
    result = launch("app/push", env={"LADING_STORE": str(tmp_path / "store")})

    assert result["digest"] == digest
    layout = tmp_path / "store" / "layouts" / "app"
    assert _skopeo_digest(f"oci:{layout}:latest") == digest
    programs.run(["skopeo", "copy", f"oci:{layout}:latest", f"oci:{tmp_path}/copy:latest"])
    assert _skopeo_digest(f"oci:{tmp_path}/copy:latest") == digest
    _unpack(layout, "latest", tmp_path / "bundle")


def test_push_to_a_registry_gives_the_digest_that_bazel_printed(
    tmp_path: Path, digest: str, registry: str
) -> None:
    programs.need("skopeo", "umoci")
    result = launch("app/push", f"--registry={registry}", "--repository=team/dashboard", "--tag=v1")

    assert result["digest"] == digest
    source = f"docker://{registry}/team/dashboard:v1"
    assert _skopeo_digest(source, "--tls-verify=false") == digest
    programs.run(["skopeo", "copy", "--src-tls-verify=false", source, f"oci:{tmp_path}/pulled:v1"])
    _unpack(tmp_path / "pulled", "v1", tmp_path / "bundle")


def test_layout_output_group_holds_real_files_only(digest: str) -> None:
    programs.need("skopeo")
    layout = runfile("app/image.oci").resolve()
    links = [path for path in layout.rglob("*") if path.is_symlink()]
    assert links == []
    assert _skopeo_digest(f"oci:{layout}") == digest


def test_loaded_image_answers_and_lists_images(tmp_path: Path, digest: str) -> None:
    store = tmp_path / "store"
    launch("app/push", env={"LADING_STORE": str(store)})
    port = servers.free_port()
    with servers.docker_daemon() as host:
        docker = ["docker", "--host", host]
        loaded = launch("app/load", env={"DOCKER_HOST": host})
        reference = loaded["references"][0]
        container = programs.run(
            [
                *docker,
                "run",
                "--detach",
                "--rm",
                "--network=host",
                f"--volume={store}:/store:ro",
                f"--env=LADING_DASHBOARD_PORT={port}",
                reference,
            ]
        ).strip()
        try:
            servers.wait_until(lambda: _get(port, "/healthz") is not None, what="GET /healthz")
            images = _get(port, "/api/images")
            assert [image["digest"] for image in images["images"]] == [digest]
        except BaseException:
            print(programs.run([*docker, "logs", container]))
            raise
        finally:
            programs.run([*docker, "rm", "--force", container])
            programs.run([*docker, "rmi", "--force", reference])


def _skopeo_digest(reference: str, *options: str) -> str:
    return programs.run(
        ["skopeo", "inspect", *options, "--format", "{{.Digest}}", reference]
    ).strip()


def _unpack(layout: Path, tag: str, bundle: Path) -> None:
    """Unpacks with umoci and looks for the app's interpreter and code."""
    programs.run(["umoci", "unpack", "--rootless", "--image", f"{layout}:{tag}", bundle])
    assert (bundle / "rootfs" / "usr" / "bin" / "python3").is_symlink()
    assert not (bundle / "rootfs" / "usr" / "bin" / "sh").exists()


def _get(port: int, path: str) -> Any:
    """The JSON (or text) that the app answers with, None while it does not answer 200."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            body = response.read()
    except (urllib.error.URLError, OSError):
        return None
    return json.loads(body) if body.startswith((b"{", b"[")) else body.decode()
