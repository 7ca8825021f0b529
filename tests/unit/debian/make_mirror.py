"""Makes tests/unit/debian/mirror: two small signed archives and the keyring that verifies them.

The result is checked in, because machines that run the tests have gpgv or sqv but no gpg. Run it
again (python3 tests/unit/debian/make_mirror.py) after changing what the archives hold; the key is
new each time and is thrown away.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import shutil
import subprocess
import tempfile
from pathlib import Path

MIRROR = Path(__file__).parent / "mirror"

_MAIN = {
    "amd64": [("app", "1.0-1", "libfoo1 (>= 1.2), debconf"), ("libfoo1", "1.2-1", "data")],
    "arm64": [("app", "1.0-1", "libfoo1 (>= 1.2), debconf"), ("libfoo1", "1.2-1", "data")],
    "all": [("data", "5", ""), ("debconf", "1.5", "")],
}
_SECURITY = {
    "amd64": [("libfoo1", "1.2-1+deb13u1", "data")],
    "arm64": [("libfoo1", "1.2-1+deb13u1", "data")],
}


def main() -> None:
    """Writes the mirror."""
    shutil.rmtree(MIRROR, ignore_errors=True)
    with tempfile.TemporaryDirectory() as home:
        _key(home, "archive@example.org")
        _gpg(home, "--export", "--output", str(MIRROR / "keyring.gpg"), "archive@example.org")
        _suite(home, "debian", "trixie", _MAIN, "Date: Thu, 01 Jan 2026 00:00:00 UTC\n")
        dates = "Date: Thu, 01 Jan 2026 00:00:00 UTC\nValid-Until: Thu, 08 Jan 2026 00:00:00 UTC\n"
        _suite(home, "debian-security", "trixie-security", _SECURITY, dates)
    with tempfile.TemporaryDirectory() as home:
        _key(home, "stranger@example.org")
        _gpg(home, "--export", "--output", str(MIRROR / "stranger.gpg"), "stranger@example.org")


def _key(home: str, user: str) -> None:
    MIRROR.mkdir(exist_ok=True)
    _gpg(home, "--passphrase", "", "--quick-gen-key", user, "ed25519", "sign", "never")


def _suite(
    home: str, archive: str, suite: str, content: dict[str, list[tuple[str, str, str]]], dates: str
) -> None:
    folder = MIRROR / archive / "dists" / suite
    lines = []
    for architecture, packages in content.items():
        text = "\n".join(_stanza(*package, architecture) for package in packages).encode()
        parent = folder / "main" / f"binary-{architecture}"
        parent.mkdir(parents=True)
        # Both formats are used in the wild; each architecture has one of them here.
        packed = gzip.compress(text, mtime=0) if architecture == "arm64" else lzma.compress(text)
        name = "Packages.gz" if architecture == "arm64" else "Packages.xz"
        (parent / name).write_bytes(packed)
        for path, data in (("Packages", text), (name, packed)):
            digest = hashlib.sha256(data).hexdigest()
            lines.append(f" {digest} {len(data)} main/binary-{architecture}/{path}")
    release = folder / "Release"
    release.write_text(
        f"Origin: Debian\nSuite: stable\nCodename: {suite}\n{dates}"
        f"Architectures: {' '.join(content)}\nComponents: main\nSHA256:\n" + "\n".join(lines) + "\n"
    )
    _gpg(home, "--clear-sign", "--output", str(folder / "InRelease"), str(release))
    release.unlink()


def _stanza(name: str, version: str, depends: str, architecture: str) -> str:
    path = f"pool/main/{name[0]}/{name}/{name}_{version}_{architecture}.deb"
    fields = [f"Package: {name}", f"Version: {version}", f"Architecture: {architecture}"]
    fields += [f"Depends: {depends}"] if depends else []
    digest = hashlib.sha256(path.encode()).hexdigest()
    fields += [f"Filename: {path}", f"Size: {len(path)}", f"SHA256: {digest}"]
    return "\n".join([*fields, "Description: a test", " package", ""])


def _gpg(home: str, *words: str) -> None:
    subprocess.run(["gpg", "--batch", "--yes", "--quiet", "--homedir", home, *words], check=True)


if __name__ == "__main__":
    main()
