"""What is loaded is what was registered, whole; anything else is refused in plain words (S1.2)."""

from __future__ import annotations

import io
import json
import os
import tarfile
from functools import partial
from pathlib import Path

import pytest

from lading.errors import CorruptError, NotFoundError
from lading.store import access, catalog_file, lease, places, stamp
from lading.store.archive import ENTRY, Archive
from lading.store.lock import locked
from tests.unit.store.damages import DAMAGES, rewrite
from tests.unit.store.stores import save_image

_NAME = "capy-ubuntu-24.04-gcc13"


def _open(root: Path, name: str = _NAME) -> None:
    with access.opened(root, name, "test"):
        pass


@pytest.mark.parametrize("kind", DAMAGES)
def test_each_kind_of_damage_has_its_own_message(tmp_path: Path, kind: str) -> None:
    saved = save_image(tmp_path, size=5000)
    damage, says = DAMAGES[kind]
    damage(saved.path)
    with pytest.raises(CorruptError) as caught:
        _open(tmp_path)
    assert says in str(caught.value)
    assert saved.path.name in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2


def test_another_image_under_the_name_is_refused(tmp_path: Path) -> None:
    saved = save_image(tmp_path)
    other = save_image(tmp_path, "capy-ubuntu-24.04-gcc14", "other")
    saved.path.write_bytes(other.path.read_bytes())
    with pytest.raises(CorruptError, match="is not the image that was registered"):
        _open(tmp_path)


def test_another_image_that_says_too_much_of_itself_is_refused(tmp_path: Path) -> None:
    saved = save_image(tmp_path)
    other = save_image(tmp_path, "capy-ubuntu-24.04-gcc14", "other")

    def change(info: tarfile.TarInfo, data: bytes) -> bytes:
        if info.name != "index.json":
            return data
        index = json.loads(data)
        index["manifests"][0]["annotations"][ENTRY] = "[" * 200_000
        return json.dumps(index).encode()

    rewrite(other.path, change)
    other.path.replace(saved.path)
    with pytest.raises(CorruptError, match="is not the image that was registered"):
        _open(tmp_path)


def test_a_missing_archive_says_so(tmp_path: Path) -> None:
    save_image(tmp_path).path.unlink()
    with pytest.raises(NotFoundError, match="does not exist"):
        _open(tmp_path)


def test_an_unknown_name_is_answered_with_close_ones(tmp_path: Path) -> None:
    save_image(tmp_path)
    with pytest.raises(NotFoundError, match=r"did you mean capy-ubuntu-24\.04-gcc13"):
        _open(tmp_path, "capy-ubuntu-24.04-gcc12")


def test_a_byte_changed_behind_an_old_stamp_is_noticed(tmp_path: Path) -> None:
    """The same size and the same time of modification: the kernel's own time tells."""
    saved = save_image(tmp_path, size=5000)
    status = saved.path.stat()
    data = bytearray(saved.path.read_bytes())
    place = data.rindex(b"big") + 600  # in the file of zeros
    data[place] ^= 1
    with saved.path.open("r+b") as file:
        file.write(data)
    os.utime(saved.path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(CorruptError):
        _open(tmp_path)


def test_an_archive_that_nobody_touched_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_image(tmp_path)
    _open(tmp_path)
    monkeypatch.setattr(
        "lading.store.archive.verify", lambda *_, **__: pytest.fail("it was read again")
    )
    _open(tmp_path)


def test_a_lost_stamp_costs_only_time(tmp_path: Path) -> None:
    save_image(tmp_path)
    stamp.forget(tmp_path, _NAME)
    assert not places.stamp(tmp_path, _NAME).exists()
    _open(tmp_path)
    assert places.stamp(tmp_path, _NAME).exists()


def test_an_open_image_is_leased(tmp_path: Path) -> None:
    save_image(tmp_path)
    with access.opened(tmp_path, _NAME, "loading"):
        [holder] = lease.holders(tmp_path, _NAME)
        assert (holder.process, holder.purpose) == (os.getpid(), "loading")
    assert lease.holders(tmp_path, _NAME) == []


def test_use_is_counted(tmp_path: Path) -> None:
    save_image(tmp_path)
    for _ in range(3):
        access.note_use(tmp_path, _NAME)
    [entry] = catalog_file.read(tmp_path).entries
    assert entry.usage_count == 3


def test_a_busy_store_keeps_no_count_and_does_not_take_a_load_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_image(tmp_path, _NAME)
    with locked(tmp_path):
        monkeypatch.setattr(access, "locked", partial(locked, patience=0))
        access.note_use(tmp_path, _NAME)
    assert catalog_file.read(tmp_path).entries[0].usage_count == 0


def test_an_archive_of_docker_is_read_as_well(tmp_path: Path) -> None:
    """What `docker save` writes has no index.json and names layers by their diff_id."""
    saved = save_image(tmp_path)

    def classic(info: tarfile.TarInfo, data: bytes) -> bytes | None:
        return None if info.name in ("index.json", "oci-layout") else data

    rewrite(saved.path, classic)
    with Archive(saved.path) as archive:
        image = archive.image()
    assert str(image.config.digest) == saved.entry.image_id


def test_an_archive_of_docker_whose_diff_ids_are_no_digests_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    config = {"rootfs": {"type": "layers", "diff_ids": ["sha256:0"]}}
    entry = {"Config": "c.json", "Layers": ["l.tar"]}
    files = {"manifest.json": [entry], "c.json": config, "l.tar": {}}
    with tarfile.open(path, "w") as archive:
        for name, value in files.items():
            info, data = tarfile.TarInfo(name), json.dumps(value).encode()
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    with pytest.raises(CorruptError, match="diff_ids has 'sha256:0' for a digest"), Archive(path):
        pass
