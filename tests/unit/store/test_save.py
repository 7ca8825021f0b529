"""A save is an archive and a catalog entry, both or neither (S1.5, S1.8)."""

from __future__ import annotations

import errno
import json
import os
import stat
import tarfile
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from lading.errors import ConflictError, CorruptError, LadingError, LimitError, StorageError
from lading.store import access, catalog_file, disk, naming, places, save
from lading.store.lock import locked
from lading.store.save import Facts
from tests.unit.store import tiny
from tests.unit.store.stores import an_image, save_image

_NAME = "capy-ubuntu-24.04-gcc13"


def _catalog(root: Path) -> list[dict[str, object]]:
    value = yaml.safe_load(places.catalog(root).read_text())
    assert value["version"] == "1.0"
    return list(value["images"])


def test_it_is_where_the_users_look_for_it(tmp_path: Path) -> None:
    saved = save_image(tmp_path, packages=["cmake", "git"], tools=["ninja"])
    assert saved.path == tmp_path / f"images/capy/{_NAME}.tar"
    [entry] = _catalog(tmp_path)
    assert entry["name"] == _NAME
    assert entry["file"] == f"images/capy/{_NAME}.tar"
    assert entry["docker_tag"] == f"{_NAME}:latest"
    assert (entry["os"], entry["architecture"]) == ("ubuntu-24.04", "amd64")
    assert (entry["compilers"], entry["variants"]) == (["gcc13"], [])
    assert (entry["packages"], entry["tools"]) == (["cmake", "git"], ["ninja"])
    assert entry["usage_count"] == 0
    assert isinstance(entry["created"], str)  # a quoted string, not a time of YAML's
    assert entry["size_mb"] == pytest.approx(saved.path.stat().st_size / 1e6)


def test_the_archive_is_one_for_docker_and_for_everyone(tmp_path: Path) -> None:
    saved = save_image(tmp_path)
    with tarfile.open(saved.path) as tar:
        names = set(tar.getnames())
        [docker] = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
    assert {"oci-layout", "index.json", "manifest.json"} <= names
    assert docker["RepoTags"] == [f"{_NAME}:latest"]


def test_saving_the_same_again_writes_nothing(tmp_path: Path) -> None:
    first = save_image(tmp_path)
    before = first.path.stat()
    again = save_image(tmp_path)
    assert again.unchanged
    after = first.path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_nobody_replaces_an_archive_that_is_found_to_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the entry of one image would be about the archive of another."""
    save_image(tmp_path)
    real = save._is_there

    def busy(*args: Any) -> bool:
        with pytest.raises(ConflictError), locked(tmp_path, patience=0):
            pass
        return real(*args)

    monkeypatch.setattr(save, "_is_there", busy)
    assert save_image(tmp_path).unchanged


def test_another_image_takes_the_name_and_keeps_the_count(tmp_path: Path) -> None:
    save_image(tmp_path, text="old")
    access.note_use(tmp_path, _NAME)
    saved = save_image(tmp_path, text="new")
    assert not saved.unchanged
    [entry] = _catalog(tmp_path)
    assert entry["usage_count"] == 1
    assert entry["digest"] == saved.entry.digest


def test_unknown_keys_comments_and_order_stay(tmp_path: Path) -> None:
    save_image(tmp_path)
    path = places.catalog(tmp_path)
    text = "# ours\n" + path.read_text() + "    owner: me # keep\n"
    path.write_text(text)
    save_image(tmp_path, text="new")
    after = path.read_text()
    assert after.startswith("# ours\n")
    assert after.endswith("    owner: me # keep\n")


def test_an_incomplete_image_changes_nothing(tmp_path: Path) -> None:
    content, source = an_image()
    last = list(content.blobs)[1]
    del content.blobs[last]
    with pytest.raises(LadingError):
        save.save(tmp_path, content, source, Facts(naming.parse(_NAME)))
    assert not list(tmp_path.rglob("*.tar*"))
    assert not places.catalog(tmp_path).exists() or not _catalog(tmp_path)


def test_a_damaged_layer_is_noticed_and_nothing_is_saved(tmp_path: Path) -> None:
    content, source = an_image(size=5000)
    digest = next(key for key, blob in content.blobs.items() if len(blob) > 5000)
    content.blobs[digest] = b"x" * len(content.blobs[digest])
    with pytest.raises(CorruptError):
        save.save(tmp_path, content, source, Facts(naming.parse(_NAME)))
    assert not list(tmp_path.rglob("*.tar*"))


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    old = save_image(tmp_path, text="old")
    before, listed = old.path.read_bytes(), places.catalog(tmp_path).read_text()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    if call == "write":
        monkeypatch.setattr(disk.Draft, "seal", full)
    else:
        monkeypatch.setattr(os, call, full)
    with pytest.raises(StorageError, match="space"):
        save_image(tmp_path, text="new")
    monkeypatch.undo()
    assert old.path.read_bytes() == before
    assert places.catalog(tmp_path).read_text() == listed
    with access.opened(tmp_path, _NAME, "test"):
        pass


def test_who_may_read_the_catalog_does_not_depend_on_who_saved_last(tmp_path: Path) -> None:
    save_image(tmp_path)
    places.catalog(tmp_path).chmod(0o664)
    before = os.umask(0o077)
    try:
        save_image(tmp_path, "capy-ubuntu-24.04-gcc14")
    finally:
        os.umask(before)
    assert places.catalog(tmp_path).stat().st_mode & 0o777 == 0o664


def test_a_file_system_that_synchronises_files_only_is_good_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def fsync(number: int) -> None:
        if stat.S_ISDIR(os.fstat(number).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    assert save_image(tmp_path).path.exists()


def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    """S1.8, within a process; tests/soak does it with many."""
    names = [f"capy-ubuntu-24.04-gcc{number}" for number in range(5, 15)]
    threads = [threading.Thread(target=save_image, args=(tmp_path, name, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(entry.name for entry in catalog_file.read(tmp_path).entries) == sorted(names)
    for name in names:
        with access.opened(tmp_path, name, "test") as found:
            assert found.entry.name == name


def test_an_index_needs_a_platform_that_it_has(tmp_path: Path) -> None:
    content = tiny.MemoryContent()
    index = tiny.index(content, [tiny.image(content, [tiny.layer({"a": b"a"})])])
    saved = save.save(tmp_path, content, index, Facts(naming.parse(_NAME)), platform=tiny.AMD64)
    assert saved.entry.architecture == "amd64"


def test_a_catalog_that_nobody_could_read_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = save_image(tmp_path)
    monkeypatch.setattr(catalog_file, "MAX_BYTES", places.catalog(tmp_path).stat().st_size + 100)
    with pytest.raises(LimitError, match="would be larger"):
        save_image(tmp_path, "capy-ubuntu-24.04-gcc14")
    assert [entry.name for entry in catalog_file.read(tmp_path).entries] == [_NAME]
    assert list(tmp_path.rglob("*.tar")) == [first.path]
