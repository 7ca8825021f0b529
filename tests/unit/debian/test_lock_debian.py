"""The command, on a signed mirror over HTTP: what it writes, says and refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lading.commands.lock_debian import main
from lading.errors import ConflictError, CorruptError, LadingError, NotFoundError, UnreachableError

MIRROR = Path(__file__).parent / "mirror"
SPEC = """
suite: trixie
components: [main]
architectures: [amd64, arm64]
sets:
  data: {packages: [data]}
  app: {above: [data], packages: [app]}
exclude: {debconf: nothing is configured here}
"""
pytestmark = pytest.mark.skipif(
    not (shutil.which("gpgv") or shutil.which("sqv")), reason="needs gpgv or sqv"
)


@pytest.fixture
def workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirror_url: str, keyring: Path
) -> Path:
    """A workspace with a specification, on a machine whose mirror is the test's."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images/debian.yaml").write_text(SPEC)
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("LADING_DEBIAN_MIRROR", mirror_url)
    monkeypatch.delenv("LADING_DEBIAN_SECURITY_MIRROR", raising=False)
    monkeypatch.setenv("LADING_DEBIAN_KEYRING", str(keyring))
    return tmp_path


def lock(workspace: Path) -> Path:
    return workspace / "images/debian.lock.json"


def test_first_lock_prefers_security_and_covers_all_architectures(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--allow_expired"]) == 0
    document = json.loads(lock(workspace).read_text())
    assert document["sets"]["app"] == {"amd64": ["app", "libfoo1"], "arm64": ["app", "libfoo1"]}
    for architecture in ("amd64", "arm64"):
        foo = document["packages"][architecture]["libfoo1"]
        assert foo["version"] == "1.2-1+deb13u1"
        assert foo["archive"] == "security"
        assert foo["depends"] == ["data"]
        assert "debconf" not in document["packages"][architecture]
    said = capsys.readouterr()
    assert "3 packages changed, 1 with a security fix" in said.out
    assert "3 packages for amd64" in said.err


def test_locking_again_changes_no_byte_and_check_agrees(workspace: Path) -> None:
    main(["--allow_expired"])
    before = lock(workspace).stat()
    assert main(["--allow_expired"]) == 0
    assert main(["--allow_expired", "--check"]) == 0
    after = lock(workspace).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_check_of_an_old_lock_fails_and_writes_nothing(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--allow_expired"])
    old = lock(workspace).read_text().replace("1.2-1+deb13u1", "1.2-1")
    lock(workspace).write_text(old)
    capsys.readouterr()
    with pytest.raises(ConflictError):
        main(["--allow_expired", "--check"])
    assert lock(workspace).read_text() == old
    assert "1.2-1+deb13u1" in capsys.readouterr().out


def test_an_expired_index_is_refused_and_the_lock_kept(workspace: Path) -> None:
    lock(workspace).write_text("")
    with pytest.raises(CorruptError, match="valid until"):
        main(["--fresh"])
    assert lock(workspace).read_text() == ""
    assert [path.name for path in sorted((workspace / "images").iterdir())] == [
        "debian.lock.json",
        "debian.yaml",
    ]


def test_a_damaged_lock_is_replaced_only_when_asked(workspace: Path) -> None:
    lock(workspace).write_text("{}")
    with pytest.raises(CorruptError):
        main(["--allow_expired"])
    assert main(["--allow_expired", "--fresh"]) == 0


def test_a_mirror_without_security_locks_with_a_warning(
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    mirror_url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LADING_DEBIAN_SECURITY_MIRROR", f"{mirror_url}/nothing")
    assert main([]) == 0
    assert "warning: no mirror of this machine has trixie-security" in capsys.readouterr().err
    assert '"security"' not in lock(workspace).read_text()


def test_an_index_that_does_not_match_its_hash_is_refused(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(MIRROR, copy)
    index = copy / "debian/dists/trixie/main/binary-amd64/Packages.xz"
    data = bytearray(index.read_bytes())
    data[20] ^= 1
    index.write_bytes(data)
    monkeypatch.setenv("LADING_DEBIAN_MIRROR", f"file://{copy}/debian")
    with pytest.raises(CorruptError, match="sha256"):
        main(["--allow_expired"])
    assert not lock(workspace).exists()


@pytest.mark.parametrize(
    ("mirror", "error"),
    [
        ("http://127.0.0.1:9/debian", UnreachableError),
        ("file:///nowhere/debian", NotFoundError),
    ],
)
def test_a_mirror_that_is_not_there(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, mirror: str, error: type[LadingError]
) -> None:
    monkeypatch.setenv("LADING_DEBIAN_MIRROR", mirror)
    with pytest.raises(error) as failure:
        main([])
    assert "LADING_DEBIAN_MIRROR" in failure.value.fix
    assert not lock(workspace).exists()


def test_a_package_that_does_not_exist_is_named(workspace: Path) -> None:
    (workspace / "images/debian.yaml").write_text(SPEC.replace("[app]", "[app, libfoo2]"))
    with pytest.raises(NotFoundError, match="no Debian package libfoo2 for amd64") as failure:
        main(["--allow_expired"])
    assert "libfoo1" in failure.value.fix


def test_a_package_that_has_left_the_suite_is_named_with_its_locked_version(
    workspace: Path,
) -> None:
    main(["--allow_expired"])
    spec = workspace / "images/debian.yaml"
    text = lock(workspace).read_text()
    lock(workspace).write_text(text.replace('"data": {"version": "5"', '"left": {"version": "4.9"'))
    spec.write_text(SPEC.replace("packages: [data]", "packages: [left]"))
    with pytest.raises(NotFoundError) as failure:
        main(["--allow_expired"])
    assert failure.value.what == "Debian package left, locked at 4.9, has left trixie for amd64"
    assert failure.value.fix.startswith("in set data of the specification, name its successor")


def test_a_suite_whose_codename_has_changed_is_locked_with_a_note(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--allow_expired"])
    text = lock(workspace).read_text()
    assert '"codename": "trixie"' in text
    lock(workspace).write_text(text.replace('"codename": "trixie"', '"codename": "bookworm"'))
    assert main(["--allow_expired"]) == 0
    assert "note: trixie is trixie now and was bookworm" in capsys.readouterr().err
    assert lock(workspace).read_text() == text


def test_an_unknown_suite_says_where_old_ones_go(workspace: Path) -> None:
    (workspace / "images/debian.yaml").write_text(SPEC.replace("trixie", "squeeze"))
    with pytest.raises(
        NotFoundError, match="no mirror of this machine has the Debian suite squ"
    ) as f:
        main([])
    assert "archive of old releases" in f.value.fix


def test_a_source_of_point_releases_is_held_back_and_that_is_said(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "images/debian.yaml").write_text(SPEC + "point_releases: {libfoo1: a reason}\n")
    assert main(["--allow_expired", "--json"]) == 0
    said = capsys.readouterr()
    assert "note: 1.2-1+deb13u1 of libfoo1 is in the security suite and held back" in said.err
    shown = json.loads(said.out)
    assert shown["held_back"][0] == {
        "architecture": "amd64",
        "package": "libfoo1",
        "version": "1.2-1+deb13u1",
    }
    (change,) = [
        each
        for each in shown["changes"]
        if (each["package"], each["architecture"]) == ("libfoo1", "arm64")
    ]
    assert (change["old"], change["new"], change["security"]) == (None, "1.2-1", False)
    assert shown["layers"].keys() == {"app.small", "data.small"}
    # Without the line, the fix comes in and is called one.
    (workspace / "images/debian.yaml").write_text(SPEC)
    assert main(["--allow_expired"]) == 0
    assert "1 package changed, 1 with a security fix" in capsys.readouterr().out


def test_a_point_release_of_what_is_not_locked_is_refused(workspace: Path) -> None:
    (workspace / "images/debian.yaml").write_text(SPEC + "point_releases: {perl: a reason}\n")
    with pytest.raises(LadingError, match="point_releases names perl, and no locked package"):
        main(["--allow_expired"])


def test_an_architecture_that_the_suite_lacks_is_named(workspace: Path) -> None:
    (workspace / "images/debian.yaml").write_text(SPEC.replace("arm64", "riscv64"))
    with pytest.raises(NotFoundError, match="riscv64") as failure:
        main(["--allow_expired"])
    assert "amd64, arm64" in failure.value.fix


def test_an_exclusion_that_nothing_needs_is_refused(workspace: Path) -> None:
    (workspace / "images/debian.yaml").write_text(
        SPEC.replace("debconf:", "perl: not here, debconf:")
    )
    with pytest.raises(LadingError, match="exclude names perl, which nothing depends on"):
        main(["--allow_expired"])
