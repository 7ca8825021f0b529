"""The catalog is rebuilt from the archives, whatever became of it (correctness.md, I3)."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lading.errors import CorruptError, InputError, LimitError, NotFoundError
from lading.store import access, archive, catalog_file, naming, places, register, save
from lading.store.save import Facts
from tests.unit.store.damages import DAMAGES, rewrite
from tests.unit.store.stores import an_image, save_image

_GCC = "capy-ubuntu-24.04-gcc13"
_BASE = "beast2-debian-13-base"


def _two(root: Path) -> None:
    save_image(root, _GCC, "one", packages=["cmake"], tools=["ninja"])
    save_image(root, _BASE, "two", tools=["make"])


def _names(root: Path) -> set[str]:
    return {item.name for item in catalog_file.read(root).entries}


BAD: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut in the middle": lambda data: data[: len(data) // 2 - 3],
    "binary": lambda data: bytes(range(256)) * 8,
    "another document": lambda data: b"- just\n- a list\n",
    "a quote too many by hand": lambda data: data.replace(b"os: ", b'os: "', 1),
    "the word images misspelled": lambda data: data.replace(b"images:", b"image:", 1),
    "an alias": lambda data: data + b"more: &a [1]\nless: *a\n",
    "too deep": lambda data: data + b"more: " + b"[" * 30 + b"]" * 30 + b"\n",
    "too large": lambda data: data + b"#" * catalog_file.MAX_BYTES,
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_catalog_is_kept_and_made_anew_from_the_archives(tmp_path: Path, kind: str) -> None:
    _two(tmp_path)
    before = {item.name: item for item in catalog_file.read(tmp_path).entries}
    path = places.catalog(tmp_path)
    bad = BAD[kind](path.read_bytes())
    path.write_bytes(bad)
    try:
        unreadable = _names(tmp_path) != set(before)
    except (CorruptError, LimitError):
        unreadable = True
    assert unreadable
    done = register.repair(tmp_path)
    assert _names(tmp_path) == {_GCC, _BASE}
    for item in catalog_file.read(tmp_path).entries:
        old = before[item.name]
        assert (item.packages, item.tools, item.digest) == (old.packages, old.tools, old.digest)
        with access.opened(tmp_path, item.name, "test"):
            pass
    if done.kept is not None:
        assert done.kept.read_bytes() == bad
        assert done.kept.parent == tmp_path
    assert register.repair(tmp_path) == register.Repaired((), (), {}, None)


def test_a_lost_catalog_is_an_error_until_it_is_repaired(tmp_path: Path) -> None:
    _two(tmp_path)
    places.catalog(tmp_path).unlink()
    with pytest.raises(CorruptError, match="repair rebuilds it"):
        catalog_file.read(tmp_path)
    done = register.repair(tmp_path)
    assert (set(done.entered), done.kept) == ({_GCC, _BASE}, None)
    assert _names(tmp_path) == {_GCC, _BASE}


def test_entries_that_point_nowhere_are_dropped(tmp_path: Path) -> None:
    _two(tmp_path)
    places.inside(tmp_path, f"images/capy/{_GCC}.tar").unlink()
    assert register.repair(tmp_path).dropped == (_GCC,)
    assert _names(tmp_path) == {_BASE}


@pytest.mark.parametrize("kind", [kind for kind in DAMAGES if kind != "a directory"])
def test_damaged_archives_are_named_and_not_entered(tmp_path: Path, kind: str) -> None:
    _two(tmp_path)
    path = places.inside(tmp_path, f"images/capy/{_GCC}.tar")
    register.unregister(tmp_path, _GCC)
    damage, says = DAMAGES[kind]
    path.unlink()
    damage(save_image(tmp_path, _GCC, "one", size=5000).path)
    register.unregister(tmp_path, _GCC)
    done = register.repair(tmp_path)
    assert list(done.refused) == [str(path)]
    assert says in done.refused[str(path)]
    assert _names(tmp_path) == {_BASE}
    assert path.exists()


def test_archives_with_another_name_or_place_are_left_alone(tmp_path: Path) -> None:
    saved = save_image(tmp_path, _GCC)
    data = saved.path.read_bytes()
    for file in ("capy/latest.tar", "other/capy-debian-13-base.tar"):
        path = places.images(tmp_path) / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    assert len(register.repair(tmp_path).refused) == 2
    assert _names(tmp_path) == {_GCC}


def test_an_archive_of_others_is_known_by_its_name(tmp_path: Path) -> None:
    """As docker writes it, without a word about the store."""
    saved = save_image(tmp_path, _GCC)
    register.unregister(tmp_path, _GCC)

    def silent(info: tarfile.TarInfo, data: bytes) -> bytes | None:
        return None if info.name in ("index.json", "oci-layout") else data

    rewrite(saved.path, silent)
    entry = register.register(tmp_path, Facts(naming.parse(_GCC), tools=("ninja",)))
    assert (entry.os, entry.compilers, entry.tools) == ("ubuntu-24.04", ("gcc13",), ("ninja",))
    with access.opened(tmp_path, _GCC, "test") as found:
        assert str(found.image.config.digest) == saved.entry.image_id


def test_registering_keeps_count_and_foreign_keys(tmp_path: Path) -> None:
    save_image(tmp_path, _GCC)
    access.note_use(tmp_path, _GCC)
    path = places.catalog(tmp_path)
    path.write_text(
        path.read_text().replace("    usage_count: 1", "    usage_count: 1\n    rack: 7")
    )
    entry = register.register(tmp_path, Facts(naming.parse(_GCC), packages=("git",)))
    assert (entry.usage_count, entry.packages, entry.extra) == (1, ("git",), {"rack": 7})
    assert "rack: 7" in path.read_text()


def test_registering_nothing_or_something_else_changes_nothing(tmp_path: Path) -> None:
    _two(tmp_path)
    before = places.catalog(tmp_path).read_bytes()
    with pytest.raises(NotFoundError):
        register.register(tmp_path, Facts(naming.parse("capy-ubuntu-24.04-gcc14")))
    path = places.images(tmp_path) / "capy" / "capy-ubuntu-24.04-gcc14.tar"
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("manifest.json")
        data = json.dumps([{"Config": "x", "Layers": []}]).encode()
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    with pytest.raises(CorruptError, match="incomplete"):
        register.register(tmp_path, Facts(naming.parse("capy-ubuntu-24.04-gcc14")))
    assert places.catalog(tmp_path).read_bytes() == before


def test_unregistering_forgets_the_name_and_keeps_the_archive(tmp_path: Path) -> None:
    _two(tmp_path)
    register.unregister(tmp_path, _GCC)
    assert _names(tmp_path) == {_BASE}
    assert places.inside(tmp_path, f"images/capy/{_GCC}.tar").exists()
    with pytest.raises(NotFoundError):
        register.unregister(tmp_path, _GCC)


def test_a_path_in_the_catalog_cannot_leave_the_store(tmp_path: Path) -> None:
    _two(tmp_path)
    path = places.catalog(tmp_path)
    path.write_text(path.read_text().replace(f"images/capy/{_GCC}.tar", "../../etc/shadow.tar"))
    with pytest.raises((InputError, NotFoundError)), access.opened(tmp_path, _GCC, "test"):
        pass
    assert "is not an archive inside the store" in catalog_file.read(tmp_path).problems[0]
    assert register.repair(tmp_path).entered == (_GCC,)


def test_nobody_waits_for_repair_to_read_archives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it reads, others save; what came or changed meanwhile is looked at again."""
    _two(tmp_path)
    for name in (_GCC, _BASE):
        register.unregister(tmp_path, name)
    real = archive.verify
    read: list[str] = []

    def busy(file: archive.Archive, *args: object, **named: object) -> None:
        name = file.file_path.name.removesuffix(".tar")
        read.append(name)
        if read == [_BASE]:
            # Would wait for two minutes if the store were locked.
            save_image(tmp_path, "other-debian-13-base", "three")
            newer = save_image(tmp_path / "elsewhere", _BASE, "newer").path
            newer.replace(file.file_path)
        real(file, *args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("lading.store.archive.verify", busy)
    done = register.repair(tmp_path)
    assert sorted(done.entered) == sorted([_GCC, _BASE])
    assert read == [_BASE, _GCC, _BASE]
    assert _names(tmp_path) == {_GCC, _BASE, "other-debian-13-base"}
    with access.opened(tmp_path, _BASE, "test") as found:
        assert str(found.image.manifest.digest) == found.entry.digest
    assert list(register.disagreements(tmp_path, catalog_file.read(tmp_path))) == []


def test_an_archive_that_is_replaced_while_it_is_registered_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _two(tmp_path)
    register.unregister(tmp_path, _GCC)
    real = archive.verify
    newer = [save_image(tmp_path / "elsewhere", _GCC, "newer")]

    def busy(file: archive.Archive, *args: object, **named: object) -> None:
        real(file, *args, **named)  # type: ignore[arg-type]
        if newer:
            newer.pop().path.replace(file.file_path)

    monkeypatch.setattr("lading.store.archive.verify", busy)
    [expected] = newer
    entry = register.register(tmp_path, Facts(naming.parse(_GCC)))
    assert (entry.digest, entry.image_id) == (expected.entry.digest, expected.entry.image_id)


def test_a_registered_archive_does_not_say_what_it_is_called_in_engines(tmp_path: Path) -> None:
    """One that somebody made so that it would take the place of another image there."""
    content, source = an_image()
    facts = Facts(naming.parse(_GCC), "debian:13")
    made = save.save(tmp_path / "elsewhere", content, source, facts)
    path = places.images(tmp_path) / "capy" / made.path.name
    path.parent.mkdir(parents=True)
    made.path.rename(path)
    plain = Facts(naming.parse(_GCC))
    assert register.register(tmp_path, plain).docker_tag == f"{_GCC}:latest"
    named = Facts(naming.parse(_GCC), "mine:1")
    assert register.register(tmp_path, named).docker_tag == "mine:1"
    assert register.register(tmp_path, plain).docker_tag == "mine:1"


def test_registering_does_not_hide_that_the_catalog_was_lost(tmp_path: Path) -> None:
    """The next cleanup would take the other archives for leftovers."""
    _two(tmp_path)
    places.catalog(tmp_path).unlink()
    with pytest.raises(CorruptError, match="is gone"):
        register.register(tmp_path, Facts(naming.parse(_GCC)))
    assert not places.catalog(tmp_path).exists()


def test_an_archive_that_no_catalog_can_describe_is_refused_by_itself(tmp_path: Path) -> None:
    """JSON can write half a character, YAML cannot: every reader would refuse the catalog."""
    _two(tmp_path)
    path = places.images(tmp_path) / "capy" / "capy-debian-13-base.tar"
    config = b'{"architecture": "\\ud800", "os": "linux", "rootfs": {"diff_ids": []}}'
    manifest = b'[{"Config": "config.json", "RepoTags": [], "Layers": []}]'
    with tarfile.open(path, "w") as tar:
        for name, data in (("config.json", config), ("manifest.json", manifest)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    with pytest.raises(InputError, match="is no text"):
        register.register(tmp_path, Facts(naming.parse("capy-debian-13-base")))
    places.catalog(tmp_path).unlink()
    done = register.repair(tmp_path)
    assert list(done.refused) == [str(path)]
    assert _names(tmp_path) == {_GCC, _BASE}


@pytest.mark.parametrize("depth", [30, 5000, 200_000])
def test_an_archive_that_says_too_much_does_not_spoil_the_catalog(
    tmp_path: Path, depth: int
) -> None:
    _two(tmp_path)
    path = places.images(tmp_path) / "capy" / f"{_GCC}.tar"
    deep = "[" * depth + "]" * depth

    def change(info: tarfile.TarInfo, data: bytes) -> bytes:
        if info.name != "index.json":
            return data
        index = json.loads(data)
        notes = index["manifests"][0]["annotations"]
        notes[archive.ENTRY] = f'{{"x": {deep}, {notes[archive.ENTRY][1:]}'
        return json.dumps(index).encode()

    rewrite(path, change)
    before = places.catalog(tmp_path).read_bytes()
    with contextlib.suppress(InputError):
        register.register(tmp_path, Facts(naming.parse(_GCC)))
        assert catalog_file.read(tmp_path).find(_GCC) is not None
        before = places.catalog(tmp_path).read_bytes()
    places.index(tmp_path).unlink(missing_ok=True)
    assert _names(tmp_path) == {_GCC, _BASE}
    assert places.catalog(tmp_path).read_bytes() == before
    places.catalog(tmp_path).unlink()
    register.repair(tmp_path)
    places.index(tmp_path).unlink(missing_ok=True)
    assert _BASE in _names(tmp_path)


def test_an_argument_that_is_no_text_is_refused(tmp_path: Path) -> None:
    _two(tmp_path)
    facts = Facts(naming.parse(_GCC), packages=("\udcff",))
    with pytest.raises(InputError, match="is no text"):
        register.register(tmp_path, facts)
    assert _names(tmp_path) == {_GCC, _BASE}
