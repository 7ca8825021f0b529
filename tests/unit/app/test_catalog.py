"""Where the dashboard looks for images, and when it looks again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lading.errors import NotFoundError
from lading.oci.digest import Digest
from lading_dashboard import catalog as module
from lading_dashboard.catalog import Catalog
from lading_dashboard.disk import DiskLayout
from lading_dashboard.reading import read_layout
from tests.unit.app.made import Layout


def _store(tmp_path: Path, *repositories: str) -> list[Layout]:
    made = []
    for repository in repositories:
        layout = Layout(tmp_path / "layouts" / repository)
        layout.tag(layout.manifest([repository.encode()]), "latest")
        made.append(layout)
    return made


def _repositories(catalog: Catalog) -> set[str]:
    return {image.repository for image in catalog.snapshot().images}


def test_repositories_may_lie_below_repositories(tmp_path: Path) -> None:
    _store(tmp_path, "app", "team/app", "team/app/debug", "team")
    snapshot = Catalog([tmp_path]).snapshot()
    assert {image.repository for image in snapshot.images} == {
        "app",
        "team",
        "team/app",
        "team/app/debug",
    }
    assert snapshot.problems == ()


def test_store_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    assert Catalog([tmp_path / "none"]).snapshot() == module.Snapshot()


def test_layout_itself_may_be_given(tmp_path: Path) -> None:
    _store(tmp_path, "team/app")
    assert _repositories(Catalog([tmp_path / "layouts" / "team" / "app"])) == {"app"}


def test_linked_layouts_of_a_store_are_not_followed(tmp_path: Path) -> None:
    _store(tmp_path / "other", "secret")
    _store(tmp_path / "store", "app")
    (tmp_path / "store/layouts/link").symlink_to(tmp_path / "other/layouts/secret")
    assert _repositories(Catalog([tmp_path / "store"])) == {"app"}


def test_newest_image_is_first(tmp_path: Path) -> None:
    for age, layout in enumerate(_store(tmp_path, "b", "c", "a")):
        (root,) = (Digest.parse(item["digest"]) for item in layout.roots)
        os.utime(layout.path(root), (1000 - age, 1000 - age))
    images = Catalog([tmp_path]).snapshot().images
    assert [image.repository for image in images] == ["b", "c", "a"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("index.json", b"{", "index.json is not valid JSON"),
        ("index.json", b'{"schemaVersion":2,"manifests":[],"manifests":[]}', "occurs twice"),
        ("index.json", b'{"manifests":[{"digest":"sha256:../x"}]}', "index.json"),
        ("index.json", None, "a push is under way"),
        ("index.json", b"[" * 100_000, "nested too deep"),
        ("index.json", b" " * (4 * 1024 * 1024 + 1), "more than the"),
        ("oci-layout", b"{}", "imageLayoutVersion"),
        ("oci-layout", None, "oci-layout is missing"),
    ],
)
def test_damaged_layout_is_told_beside_the_sound_ones(
    tmp_path: Path, name: str, content: bytes | None, told: str
) -> None:
    bad, _ = _store(tmp_path, "bad", "good")
    if content is None:
        (bad.directory / name).unlink()
    else:
        (bad.directory / name).write_bytes(content)

    snapshot = Catalog([tmp_path]).snapshot()

    assert {image.repository for image in snapshot.images} == {"good"}
    (problem,) = snapshot.problems
    assert problem.where == "bad"
    assert told in problem.message


def test_linked_index_is_refused(tmp_path: Path) -> None:
    (bad,) = _store(tmp_path / "store", "bad")
    (tmp_path / "outside").write_bytes(b"{}")
    (bad.directory / "index.json").unlink()
    (bad.directory / "index.json").symlink_to(tmp_path / "outside")
    (problem,) = Catalog([tmp_path / "store"]).snapshot().problems
    assert "index.json cannot be read" in problem.message


def test_directory_that_is_no_repository_name_is_told(tmp_path: Path) -> None:
    Layout(tmp_path / "layouts" / "Bad Name")
    (problem,) = Catalog([tmp_path]).snapshot().problems
    assert "'Bad Name' is not a repository name" in problem.message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_directory_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    _store(tmp_path, "app", "team/closed")
    closed = tmp_path / "layouts" / "team"
    closed.chmod(0)
    try:
        catalog = Catalog([tmp_path])
        assert "cannot be read" in catalog.snapshot().problems[0].message
        assert _repositories(catalog) == {"app"}
    finally:
        closed.chmod(0o700)


def test_unchanged_layout_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def counting(disk: DiskLayout, repository: str) -> object:
        read.append(repository)
        return read_layout(disk, repository)

    monkeypatch.setattr(module, "read_layout", counting)
    changed, _ = _store(tmp_path, "changed", "same")
    catalog = Catalog([tmp_path])
    before = catalog.snapshot()
    assert catalog.snapshot() == before
    assert sorted(read) == ["changed", "same"]

    changed.tag(changed.manifest([b"new"]), "v2")
    images = catalog.snapshot().images

    assert sorted(read) == ["changed", "changed", "same"]
    assert sum(image.repository == "changed" for image in images) == 2


def test_layer_that_disappears_is_noticed(tmp_path: Path) -> None:
    (made,) = _store(tmp_path, "app")
    catalog = Catalog([tmp_path])
    (image,) = catalog.snapshot().images
    assert image.all_problems == ()
    made.path(image.manifests[0].layers[0].digest).unlink()
    (image,) = catalog.snapshot().images
    assert "is missing" in image.all_problems[0]


def test_removed_layout_is_forgotten(tmp_path: Path) -> None:
    gone, _ = _store(tmp_path, "gone", "stays")
    catalog = Catalog([tmp_path])
    assert _repositories(catalog) == {"gone", "stays"}
    gone.directory.rename(tmp_path / "elsewhere")
    assert _repositories(catalog) == {"stays"}


def test_digest_is_found_in_the_repository_that_was_asked_for(tmp_path: Path) -> None:
    for repository in ("a", "b"):
        layout = Layout(tmp_path / "layouts" / repository)
        root = layout.tag(layout.manifest())
    catalog = Catalog([tmp_path])
    for repository, other in (("a", "b"), ("b", "a")):
        found = catalog.find(root.digest, repository)
        assert found.image.repository == repository
        assert [image.repository for image in found.elsewhere] == [other]
    assert catalog.find(root.digest, "none").image.digest == root.digest


def test_manifest_of_an_index_is_found(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    inner = layout.manifest()
    root = layout.tag(layout.index(inner.to_json()))
    found = Catalog([tmp_path]).find(inner.digest)
    assert found.image.digest == root.digest
    assert found.manifest is not None
    assert found.manifest.digest == inner.digest


def test_digest_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no image here has the digest sha256:"):
        Catalog([tmp_path]).find(Digest.of(b"none"))
