"""Programs that wheels carry, such as ruff and uv.

Bazel puts a wheel's modules into runfiles but not its programs, so these are taken from the wheel
itself (`@pypi//NAME:whl`).
"""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

__all__ = ["unpack_program"]


def unpack_program(wheel: Path, name: str, directory: Path) -> Path:
    """Writes the program `name` of `wheel` into `directory`, executable.

    Returns:
        The program's path.

    Raises:
        FileNotFoundError: the wheel has no such program.
    """
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.namelist():
            # Binary distribution format, "The .data directory".
            if PurePosixPath(entry).match(f"*.data/scripts/{name}"):
                program = directory / name
                program.write_bytes(archive.read(entry))
                program.chmod(0o755)
                return program
    raise FileNotFoundError(f"{wheel.name} holds no program {name}")
