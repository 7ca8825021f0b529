"""Release files: signatures, the right suite, and dates."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lading.debian.release import check_release, parse_release
from lading.debian.signature import find_keyring, signed_text
from lading.errors import CorruptError, NotFoundError

MIRROR = Path(__file__).parent / "mirror"
IN_RELEASE = MIRROR / "debian/dists/trixie/InRelease"
SECURITY = MIRROR / "debian-security/dists/trixie-security/InRelease"
DURING = datetime(2026, 1, 3, tzinfo=UTC)


@pytest.fixture(params=["gpgv", "sqv"])
def verifier(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> str:
    """Each verifier that the machine has, alone on PATH."""
    name = str(request.param)
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed here")
    (tmp_path / name).symlink_to(program)
    monkeypatch.setenv("PATH", str(tmp_path))
    return name


@pytest.mark.usefixtures("verifier")
def test_what_is_signed_is_returned(keyring: Path) -> None:
    text = signed_text(IN_RELEASE.read_bytes(), keyring, "InRelease")
    assert text.startswith("Origin: Debian\n")
    assert "SIGNATURE" not in text


@pytest.mark.usefixtures("verifier")
def test_a_changed_file_is_refused(keyring: Path) -> None:
    with pytest.raises(CorruptError, match="no good signature"):
        signed_text(IN_RELEASE.read_bytes().replace(b"main", b"evil", 1), keyring, "InRelease")


@pytest.mark.usefixtures("verifier")
def test_a_key_outside_the_keyring_is_refused() -> None:
    with pytest.raises(CorruptError, match="no good signature"):
        signed_text(IN_RELEASE.read_bytes(), MIRROR / "stranger.gpg", "InRelease")


@pytest.mark.usefixtures("verifier")
@pytest.mark.parametrize("message", [b"", b"Origin: Debian\n", b"\x00" * 100])
def test_an_unsigned_file_is_refused(keyring: Path, message: bytes) -> None:
    with pytest.raises(CorruptError, match="no good signature"):
        signed_text(message, keyring, "InRelease")


@pytest.mark.usefixtures("verifier")
@pytest.mark.parametrize("before", [True, False])
def test_text_around_the_signed_part_is_never_returned(keyring: Path, before: bool) -> None:
    smuggled = b"Codename: evil\n\n"
    signed = IN_RELEASE.read_bytes()
    message = smuggled + signed if before else signed + smuggled
    try:
        text = signed_text(message, keyring, "InRelease")
    except CorruptError:
        return
    assert "evil" not in text


def test_without_a_verifier_the_package_is_named(
    keyring: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotFoundError) as missing:
        signed_text(b"", keyring, "InRelease")
    assert "install" in missing.value.fix


def test_the_keyring_can_be_named_and_must_exist(keyring: Path) -> None:
    assert find_keyring({"LADING_DEBIAN_KEYRING": str(keyring)}) == keyring
    with pytest.raises(NotFoundError, match="/nowhere"):
        find_keyring({"LADING_DEBIAN_KEYRING": "/nowhere"})


def _security_text() -> str:
    return SECURITY.read_text().partition("\n\n")[2].partition("-----BEGIN PGP SIG")[0]


def test_suite_and_validity_are_checked() -> None:
    release = parse_release(_security_text(), "Release")
    check_release(release, "trixie-security", "Release", now=DURING)
    with pytest.raises(CorruptError, match="is of the suite trixie-security, not of trixie"):
        check_release(release, "trixie", "Release", now=DURING)
    late = datetime(2026, 1, 9, tzinfo=UTC)
    with pytest.raises(CorruptError, match="was valid until 2026-01-08 00:00 UTC"):
        check_release(release, "trixie-security", "Release", now=late)
    check_release(release, "trixie-security", "Release", now=late, allow_expired=True)
    early = datetime(2025, 12, 1, tzinfo=UTC)
    with pytest.raises(CorruptError, match="in the future"):
        check_release(release, "trixie-security", "Release", now=early)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Date: Thu, 01 Jan 2026 00:00:00 UTC\n", ""),
        ("Date: Thu, 01 Jan", "Date: some day"),
        ("Suite: ", "Suite: a\nSuite: "),
        ("SHA256:\n", "SHA256:\n nothing here\n"),
    ],
)
def test_malformed_release_files_are_refused(old: str, new: str) -> None:
    text = _security_text()
    assert old in text
    with pytest.raises(CorruptError):
        parse_release(text.replace(old, new, 1), "Release")
