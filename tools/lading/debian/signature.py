"""Checks a signed Release file with the machine's OpenPGP verifier and Debian's keyring."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from lading.errors import CorruptError, InputError, NotFoundError

__all__ = ["find_keyring", "signed_text"]

_KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
)
_TIMEOUT = 60.0


def find_keyring(environment: Mapping[str, str] | None = None) -> Path:
    """LADING_DEBIAN_KEYRING, or the keyring of the package debian-archive-keyring.

    Raises:
        NotFoundError: there is none.
    """
    environment = os.environ if environment is None else environment
    named = environment.get("LADING_DEBIAN_KEYRING", "")
    for path in (Path(named),) if named else _KEYRINGS:
        if path.is_file():
            return path
    raise NotFoundError(
        f"no Debian keyring at {named or ' or '.join(map(str, _KEYRINGS))}",
        fix="install the package debian-archive-keyring, or set LADING_DEBIAN_KEYRING",
    )


def signed_text(message: bytes, keyring: Path, name: str) -> str:
    """What the signature of a clear-signed `message` covers, and nothing else of it.

    Uses gpgv, or sqv where Debian has replaced it; `name` is what messages call the file.

    Raises:
        CorruptError: no key of the keyring made a good signature, or one signature is bad.
        NotFoundError: the machine has neither program.
        InputError: the verifier cannot be run or does not end.
    """
    gpgv, sqv = shutil.which("gpgv"), shutil.which("sqv")
    if not gpgv and not sqv:
        raise NotFoundError(
            "neither gpgv nor sqv is installed, so the Debian archive cannot be verified",
            fix="install the package gpgv (or sqv)",
        )
    with tempfile.TemporaryDirectory(prefix="lading-release-") as folder:
        # Neither program reads a configuration or keyring of the user's from an empty home.
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": folder, "GNUPGHOME": folder}
        signed, text = Path(folder, "InRelease"), Path(folder, "Release")
        signed.write_bytes(message)
        if gpgv:
            command = [gpgv, "--status-fd=1", f"--keyring={keyring.absolute()}"]
            command += [f"--output={text}", str(signed)]
        else:
            command = [str(sqv), f"--keyring={keyring.absolute()}", f"--output={text}"]
            command += ["--cleartext", str(signed)]
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, timeout=_TIMEOUT, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InputError(f"{command[0]} could not verify {name}: {error}") from None
        good = _gpgv_is_content(done.stdout) if gpgv else done.returncode == 0
        if not good or not text.is_file():
            raise CorruptError(
                f"{name} has no good signature by a key of {keyring}",
                fix="if the machine's keyring is old, update the package debian-archive-keyring",
            )
        return text.read_text(encoding="utf-8", errors="strict")


def _gpgv_is_content(status: bytes) -> bool:
    """Whether a known key signed and no signature is bad.

    gpgv's exit status also fails on signatures by keys that are not in the keyring, which is
    normal: Debian signs with the keys of two releases.
    """
    words = [line.split()[1] for line in status.splitlines() if line.startswith(b"[GNUPG:] ")]
    refused = {b"BADSIG", b"REVKEYSIG", b"EXPSIG", b"NODATA", b"UNEXPECTED"}
    return b"GOODSIG" in words and b"VALIDSIG" in words and not refused & set(words)
