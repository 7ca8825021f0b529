"""Copies modules and their data into a directory, with compiled forms where Python looks for them.

Usage: python3 compile_modules.py @PARAMETERS, a file of lines: the directory, a file for its
digest, then for each file its path and its path in the directory. An interpreter of another
version ignores the compiled form.
"""

import hashlib
import pathlib
import py_compile
import shutil
import sys


def main() -> None:
    lines = pathlib.Path(sys.argv[1].removeprefix("@")).read_text("utf-8").splitlines()
    directory = pathlib.Path(lines[0])
    digest = hashlib.sha256(sys.version.encode())
    for source, name in zip(lines[2::2], lines[3::2], strict=True):
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        digest.update(f"{name}\0{hashlib.sha256(target.read_bytes()).hexdigest()}\n".encode())
        if target.suffix != ".py":
            continue
        # Bazel keeps neither times nor changes, so nothing has to be compared with the source.
        py_compile.compile(
            str(target),
            dfile=name,
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    pathlib.Path(lines[1]).write_text(f"{digest.hexdigest()}\n", "utf-8")


if __name__ == "__main__":
    main()
