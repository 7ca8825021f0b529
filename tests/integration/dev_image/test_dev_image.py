"""dev_image: what a change costs, which tag it gets, and what is said about mistakes (S0.1–S0.4).

A workspace of its own depends on lading. Its packages come from a Debian mirror that the test makes
with dpkg-deb; their lock is written by the test, in place of `bazel run //images:lock`.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.harness import programs, servers
from tests.integration.harness.launchers import runfile
from tests.integration.harness.nested_bazel import NestedBazel, nested_bazel, shop_module

_COMMIT = "4f1ae9fd01fe1b4d6a0a5a2f6c0d2a3be6a0e1c7"
_BUILD = """
load("@lading//rules:deb.bzl", "deb_layers")
load("@lading//rules:dev_image.bzl", "dev_image")
load("@lading//rules:image.bzl", "image_manifest")
load("@debian//:layers.bzl", "LAYERS")

image_manifest(
    name = "own",
    layers = deb_layers(name = "packages", packages = LAYERS["own"]),
    user = "65532",
)

dev_image(
    name = "dev",
    srcs = ["shop.js", "lib/prices.js"],
    dependencies = glob(["node_modules/**"]),
    repository = "team/shop",
    template = {template},
)
"""
_CUSTOM = {
    "Dockerfile": """FROM debian:13
USER 0:0
COPY data.txt /srv/data.txt
RUN echo installed >>/srv/data.txt
""",
    "entrypoint.sh": '#!/bin/sh\nexec "$@"\n',
    "data.txt": "custom\n",
}
_CUSTOM_ATTRIBUTES = {
    "bases": {"debian:13": "@lading//images:minimal_debug"},
    "builder": "buildah",
}
#: Name and version to bytes of content; a layer each, but for two that share one.
_PACKAGES = {"libbig": 3_000_000, "libone": 400_000, "libtwo": 20_000, "libthree": 20_000}
_LAYERS = {"big": ["libbig"], "one": ["libone"], "small": ["libthree", "libtwo"]}
#: What a push may send besides packages: a config, a manifest, and the headers of the archive.
_DOCUMENTS = 6_000
_HEADERS = 1.02


@dataclass
class Shop:
    """The workspace, the mirror beside it, and the registry that it pushes to."""

    bazel: NestedBazel
    mirror: Path
    registry: str
    blobs: Path

    def lock(self, versions: dict[str, str]) -> None:
        """Builds the packages of `versions` into the mirror, and locks them."""
        packages = {name: self._package(name, version) for name, version in versions.items()}
        names = sorted(packages)
        document = {
            "format": 1,
            "suite": "trixie",
            "sets": {"own": {"amd64": names, "arm64": names}},
            "layers": {"own": _LAYERS},
            "packages": {"amd64": packages, "arm64": packages},
        }
        (self.bazel.directory / "lock.json").write_text(json.dumps(document))

    def _package(self, name: str, version: str) -> dict[str, object]:
        path = f"pool/main/{name}_{version}_all.deb"
        target = self.mirror / path
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            root = self.mirror.parent / "root"
            (root / "DEBIAN").mkdir(parents=True)
            (root / "DEBIAN/control").write_text(
                f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: a <a@b>\n"
                "Description: a test\n"
            )
            (root / "usr/share").mkdir(parents=True)
            noise = random.Random(name + version).randbytes(_PACKAGES[name])
            (root / f"usr/share/{name}").write_bytes(noise)
            programs.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", root, target])
            shutil.rmtree(root)
        return {
            "version": version,
            "source": name,
            "archive": "debian",
            "path": path,
            "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
            "size": target.stat().st_size,
            "depends": [],
        }

    def push(self) -> tuple[str, dict[str, int]]:
        """Pushes; returns the digest under the commit's tag, and the size of each new blob."""
        before = self._stored()
        result = self.bazel.run("run", "//:dev.push", "--", f"--registry={self.registry}", "--json")
        assert result.returncode == 0, result.stderr
        pushed = json.loads(result.stdout)
        tagged = programs.run(
            ["crane", "digest", "--insecure", f"{self.registry}/team/shop:{_COMMIT}"]
        ).strip()
        assert tagged == pushed["digest"]
        new = {name: size for name, size in self._stored().items() if name not in before}
        return tagged, new

    def _stored(self) -> dict[str, int]:
        """The blobs that the registry's own files hold: their digest in hex, and size in bytes."""
        return {path.parent.name: path.stat().st_size for path in self.blobs.glob("*/*/data")}

    def build_file(self, template: str) -> None:
        """Writes the BUILD file with that expression as the template."""
        (self.bazel.directory / "BUILD.bazel").write_text(_BUILD.format(template=template))

    def custom(self, *files: str) -> None:
        """Fills the custom folder with some of the files in _CUSTOM, and selects it."""
        folder = self.bazel.directory / "env"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name in files:
            (folder / name).write_text(_CUSTOM[name])
        # The template that is set counts for nothing.
        self.build_file(f'":own", custom = "env", custom_attributes = {_CUSTOM_ATTRIBUTES}')


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    programs.need("dpkg-deb", "crane")
    scratch = Path(tempfile.mkdtemp(prefix="lading-", dir=os.environ["TEST_TMPDIR"]))
    directory = scratch / "shop"
    for folder in ("lib", "node_modules/left", "tools"):
        (directory / folder).mkdir(parents=True)
    (directory / "MODULE.bazel").write_text(shop_module())
    (directory / "shop.js").write_text("require('./lib/prices')\n")
    (directory / "lib/prices.js").write_text("module.exports = 1\n")
    (directory / "node_modules/left/index.js").write_text("module.exports = 2\n")
    shutil.copy(runfile("tools/workspace_status.py"), directory / "tools/workspace_status.py")
    (directory / ".bazelrc").write_text(
        "build --workspace_status_command=tools/workspace_status.py\n"
    )
    (directory / ".git").mkdir()
    (directory / ".git/HEAD").write_text("ref: refs/heads/main\n")
    (directory / ".git/packed-refs").write_text(f"# pack-refs\n{_COMMIT} refs/heads/main\n")
    mirror = scratch / "mirror" / "debian"
    storage = scratch / "registry"
    storage.mkdir()
    blobs = storage / "registry/docker/registry/v2/blobs/sha256"
    env = {"LADING_DEBIAN_MIRROR": f"file://{mirror}"}
    with (
        servers.docker_registry(storage) as registry,
        nested_bazel(scratch / "output", directory=directory, env=env) as bazel,
    ):
        shop = Shop(bazel, mirror, registry, blobs)
        shop.build_file('":own"')
        shop.lock(dict.fromkeys(_PACKAGES, "1.0"))
        yield shop


def test_the_commit_stays_and_only_what_changed_is_pushed(shop: Shop) -> None:
    first, new = shop.push()
    assert sum(new.values()) > sum(_PACKAGES.values()), "everything is new"

    # The lock changes and the commit does not (S0.4): a point update of a package with a layer.
    versions = dict.fromkeys(_PACKAGES, "1.0")
    shop.lock(versions | {"libone": "1.0+deb13u1"})
    second, new = shop.push()
    assert second != first
    size = _PACKAGES["libone"]
    assert size < sum(new.values()) < size * _HEADERS + _DOCUMENTS, (
        "one layer, a config, a manifest"
    )
    assert len(new) == 3

    # Of packages that share a layer.
    shop.lock(versions | {"libone": "1.0+deb13u1", "libtwo": "2.0"})
    third, new = shop.push()
    assert third != second
    size = _PACKAGES["libtwo"] + _PACKAGES["libthree"]
    assert size < sum(new.values()) < size * _HEADERS + _DOCUMENTS
    assert len(new) == 3

    # A line of the code.
    with (shop.bazel.directory / "shop.js").open("a") as file:
        file.write("console.log(1)\n")
    fourth, new = shop.push()
    assert fourth not in {first, second, third}
    assert sum(new.values()) < _DOCUMENTS
    assert len(new) == 3

    # Back to where it was: the same digest, and nothing new.
    shop.lock(versions)
    (shop.bazel.directory / "shop.js").write_text("require('./lib/prices')\n")
    assert shop.push() == (first, {})

    # Another template.
    shop.build_file('"minimal"')
    fifth, new = shop.push()
    assert fifth != first
    assert sum(new.values()) > 1_000_000


def test_a_custom_folder_is_built_and_overrides_the_template(shop: Shop, tmp_path: Path) -> None:
    programs.need("buildah", "crane")
    shop.custom("Dockerfile", "entrypoint.sh", "data.txt")
    digest, _ = shop.push()
    image = f"{shop.registry}/team/shop@{digest}"
    config = json.loads(programs.run(["crane", "config", "--insecure", image]))["config"]
    assert config["Entrypoint"] == ["/entrypoint.sh"]
    assert config["WorkingDir"] == "/workspace"
    archive = tmp_path / "files.tar"
    programs.run(["crane", "export", "--insecure", image, archive])
    with tarfile.open(archive) as files:
        found = {member.name.rstrip("/"): member for member in files}
        data = files.extractfile("srv/data.txt")
        assert data is not None
        assert data.read() == b"custom\ninstalled\n"
    assert found["entrypoint.sh"].mode == 0o755
    assert {"workspace/lib/prices.js", "usr/bin/busybox"} <= found.keys()
    assert not any(name.startswith("usr/share/lib") for name in found), "the template is not there"
    assert (found["workspace/lib"].uid, found["workspace/lib"].gid) == (0, 0)


@pytest.mark.parametrize("missing", ["Dockerfile", "entrypoint.sh"])
def test_a_custom_folder_that_lacks_a_file_fails_at_once(shop: Shop, missing: str) -> None:
    shop.custom(*(_CUSTOM.keys() - {missing}))
    result = shop.bazel.run("build", "//:dev")
    assert result.returncode == 1
    assert f"custom: there is no env/{missing} below this package." in result.stderr


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (
            '""',
            "has neither a template nor a custom folder. Set template to one of minimal, nodejs,",
        ),
        ('"nodjs"', 'there is no template "nodjs". Did you mean "nodejs"?'),
        ('"fedora"', 'there is no template "fedora". Templates are minimal, nodejs, nodejs_br'),
    ],
)
def test_a_wrong_template_fails_at_once(shop: Shop, template: str, message: str) -> None:
    shop.build_file(template)
    result = shop.bazel.run("build", "//:dev")
    assert result.returncode == 1
    assert message in result.stderr


def test_an_architecture_that_is_not_locked_is_named(shop: Shop) -> None:
    shop.build_file('"minimal"')
    platform = "--platforms=@lading//rules/platforms:linux_s390x"
    result = shop.bazel.run("build", platform, "//:dev")
    assert result.returncode == 1
    assert "are locked for amd64, arm64 only" in result.stderr


def test_a_commit_that_nothing_tells_is_asked_for(shop: Shop) -> None:
    shop.build_file('"minimal"')
    result = shop.bazel.run(
        "run", "--workspace_status_command=", "//:dev.push", "--", f"--registry={shop.registry}"
    )
    assert result.returncode == 3
    assert ".STABLE_GIT_COMMIT is unknown" in result.stderr
    assert "--workspace_status_command" in result.stderr
