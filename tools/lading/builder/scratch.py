"""A directory of a build's own, and what is laid into it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from lading.builder.request import BuildRequest
from lading.engine.endpoint import docker_directory
from lading.errors import CorruptError, InputError, StorageError, cannot_write
from lading.layer.outputs import Output
from lading.oci.descriptor import Descriptor
from lading.scan.codec import CHUNK
from lading.store.layout_directory import Layout

__all__ = [
    "base_links",
    "dockerfile_copy",
    "ignore_file",
    "login",
    "move",
    "root_of",
    "scratch",
    "secret_flags",
]

_PREFIX = "lading-build-"
_LOCK = ".lock"
#: Seconds after which a directory may be somebody's leftover: a new one has no lock yet.
_AGE = 600.0


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A new private directory in $TMPDIR, gone afterwards with all that is in it.

    A process that is killed leaves its directory; the next one removes it, because nobody holds
    its lock any more.
    """
    try:
        directory = Path(tempfile.mkdtemp(prefix=_PREFIX))
        lock = (directory / _LOCK).open("w+")  # without reading, NFS has no lock to share
        fcntl.flock(lock, fcntl.LOCK_SH)
    except OSError as error:
        raise StorageError(f"no temporary directory can be made: {error.strerror}") from None
    try:
        _reap(directory.parent)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        lock.close()


def _reap(parent: Path) -> None:
    """Removes what builds of this user that were killed have left."""
    for path in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            status = path.lstat()
            old = time.time() - status.st_mtime > _AGE
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or not old:
                continue
            with (path / _LOCK).open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)


def dockerfile_copy(request: BuildRequest, text: str, directory: Path) -> Path:
    """Writes `text` as the Dockerfile to build, with its own .dockerignore where there is one."""
    path = directory / "Dockerfile"
    path.write_text(text, encoding="utf-8")
    ignore = ignore_file(request)
    if ignore is not None:
        shutil.copyfile(ignore, directory / "Dockerfile.dockerignore")
    return path


def ignore_file(request: BuildRequest) -> Path | None:
    """The .dockerignore of this Dockerfile alone: its name with `.dockerignore` after it."""
    path = request.file.with_name(request.file.name + ".dockerignore")
    return path if path.is_file() else None


def base_links(request: BuildRequest, directory: Path) -> dict[str, Path]:
    """Each base by a path without letters that mean something to a builder."""
    result = {}
    for number, (name, layout) in enumerate(sorted(request.bases.items())):
        path = directory / f"base{number}"
        path.symlink_to(layout.resolve())
        result[name] = path
    return result


def root_of(layout: Path) -> Descriptor:
    """The one image that a layout lists; raises CorruptError for another number."""
    roots = {item.digest: item for item in Layout(layout, follow_links=True).index().manifests}
    if len(roots) != 1:
        raise CorruptError(f"the layout {layout} lists {len(roots)} images, not one")
    return next(iter(roots.values()))


def secret_flags(request: BuildRequest, env: dict[str, str]) -> list[str]:
    """`--secret` flags; values from variables go on in `env`, never in a flag.

    Raises InputError for a secret that is not there, or where no flag can name it.
    """
    result = []
    for number, secret in enumerate(request.secrets):
        if secret.file is not None:
            secret.value({})
            path = str(secret.file.resolve())
            if "," in path or '"' in path:
                raise InputError(
                    f"the secret {secret.id!r:.80} is in {path}: builders take a comma or a quote "
                    "for the end of a path",
                    fix="rename it, or give the value in a variable",
                )
            result.append(f"--secret=id={secret.id},src={path}")
        else:
            env[f"LADING_SECRET_{number}"] = secret.value(os.environ)
            result.append(f"--secret=id={secret.id},env=LADING_SECRET_{number}")
    return result


def login(directory: Path, environ: Mapping[str, str]) -> bool:
    """Copies the user's logins into `directory`/config.json, for a build that may pull.

    Nothing else of that file: a context or a plugin in it would change what is run. Returns
    whether there are any.
    """
    try:
        value = json.loads((docker_directory(environ) / "config.json").read_bytes())
    except (OSError, ValueError):
        return False
    if not isinstance(value, dict):
        return False
    kept = {key: value[key] for key in ("auths", "credHelpers", "credsStore") if key in value}
    path = directory / "config.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(kept))
    return True


def move(source: Path, target: Path) -> None:
    """Puts a finished file in its place, at once; raises StorageError."""
    try:
        try:
            source.replace(target)
        except OSError:
            # Another file system.
            with (
                source.open("rb") as stream,
                Output(str(target)) as output,
                open(output.fd, "wb", closefd=False) as copy,
            ):
                shutil.copyfileobj(stream, copy, CHUNK)
    except OSError as error:
        raise cannot_write(target, error) from None
