"""The deploy specification: templates are filled in when a command runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lading.commands import deploy
from lading.errors import InputError
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from tests.registry_server import images


@pytest.fixture
def runfiles(tmp_path: Path) -> Path:
    image = images.manifest(10, 20)
    value = json.loads(image.content.blobs[image.root.digest])
    (tmp_path / "descriptor").write_text(json.dumps(image.root.to_json()))
    (tmp_path / "manifest").write_bytes(image.content.blobs[image.root.digest])
    config = Digest.parse(value["config"]["digest"])
    (tmp_path / "config").write_bytes(image.content.blobs[config])
    blobs = tmp_path / "layers/blobs/sha256"
    blobs.mkdir(parents=True)
    for layer in value["layers"]:
        digest = Digest.parse(layer["digest"])
        (blobs / digest.hex).write_bytes(image.content.blobs[digest])
    (tmp_path / "stable").write_text("STABLE_VERSION 1.2\nBUILD_TIMESTAMP 0\n")
    (tmp_path / "volatile").write_text("BUILD_TIMESTAMP 7\n")
    (tmp_path / "tags").write_text("plain two\n{{.STABLE_VERSION}}-{{.stage}}\n\n")
    return tmp_path


def _parse(runfiles: Path, **more: Any) -> deploy.Deploy:
    value = {
        "label": "//app:push",
        "image": {
            "config": "config",
            "descriptor": "descriptor",
            "layers": [],
            "layouts": ["layers"],
            "manifest": "manifest",
            "sources": [],
        },
        "registry": "",
        "repository": "team/app",
        "tags": [],
        "build_settings": {"stage": "prod"},
        "status_files": ["stable", "volatile"],
    }
    return deploy.parse(value | more, runfiles)


def test_templates_know_build_settings_and_the_workspace_status(runfiles: Path) -> None:
    found = _parse(
        runfiles,
        registry="{{.stage}}.example.com",
        repository="team/{{.stage}}",
        tags=["v{{.STABLE_VERSION}}", "{{.BUILD_TIMESTAMP}}", "latest"],
        tag_files=["tags"],
    )
    assert found.registry == "prod.example.com"
    assert found.repository == "team/prod"
    assert found.tags == ("v1.2", "7", "latest", "plain", "two", "1.2-prod")


def test_the_status_is_that_of_now_and_not_of_the_build(runfiles: Path) -> None:
    assert _parse(runfiles, tags=["{{.BUILD_TIMESTAMP}}"]).tags == ("7",)
    (runfiles / "volatile").write_text("BUILD_TIMESTAMP 8\n")
    assert _parse(runfiles, tags=["{{.BUILD_TIMESTAMP}}"]).tags == ("8",)


def test_a_tag_that_a_condition_leaves_empty_is_none(runfiles: Path) -> None:
    found = _parse(runfiles, tags=['{{if eq .stage "dev"}}dev{{end}}', "{{.stage}}", "prod"])
    assert found.tags == ("prod",)


def test_a_build_setting_wins_over_a_key_of_the_status(runfiles: Path) -> None:
    settings = {"BUILD_TIMESTAMP": "mine", "release": False}
    tags = ["{{.BUILD_TIMESTAMP}}{{if .release}}-release{{end}}"]
    assert _parse(runfiles, tags=tags, build_settings=settings).tags == ("mine",)


def test_tags_know_the_digest(runfiles: Path) -> None:
    found = _parse(runfiles, tags=["sha256-{{slice .digest 7 19}}"])
    assert found.tags == (f"sha256-{found.root.digest.hex[:12]}",)


def test_an_unknown_variable_lists_those_there_are(runfiles: Path) -> None:
    with pytest.raises(InputError) as caught:
        _parse(runfiles, tags=["{{.VERSION}}"])
    assert "//app:push, tag" in str(caught.value)
    assert "there are .BUILD_TIMESTAMP, .STABLE_VERSION, .digest, .stage" in str(caught.value)


def test_a_template_that_makes_no_tag_is_refused(runfiles: Path) -> None:
    with pytest.raises(InputError, match="is not a tag"):
        _parse(runfiles, tags=["{{.stage}}/x"])


def test_layers_of_an_imported_base_are_read_where_they_are(runfiles: Path) -> None:
    found = _parse(runfiles)
    value = json.loads((runfiles / "manifest").read_bytes())
    for layer in value["layers"]:
        descriptor = Descriptor.from_json(layer, what="a layer")
        path = found.content.path(descriptor)
        assert path is not None
        assert path.is_relative_to(runfiles / "layers")


@pytest.mark.parametrize("repository", ["", "team/app"])
def test_an_image_is_loaded_under_whole_names_too(runfiles: Path, repository: str) -> None:
    (runfiles / "tags").write_text("registry.example.com/team/app:{{.stage}}\n")
    found = _parse(
        runfiles, kind="load", repository=repository, tags=["app:dev"], tag_files=["tags"]
    )
    assert found.tags == ("app:dev", "registry.example.com/team/app:prod")


@pytest.mark.parametrize("tag", ["app:dev:x", "App:dev", "app:"])
def test_a_name_that_no_engine_takes_is_refused_before_anything_is_done(
    runfiles: Path, tag: str
) -> None:
    with pytest.raises(InputError, match=r"is not a|empty tag"):
        _parse(runfiles, kind="load", tags=[tag])


def test_a_whole_name_is_no_tag_to_push(runfiles: Path) -> None:
    with pytest.raises(InputError, match="is not a tag"):
        _parse(runfiles, kind="push", tags=["app:dev"])
