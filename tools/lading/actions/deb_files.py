"""Build action: some of the files of a Debian package, as a tar archive.

Arguments: `--deb=PATH --output=PATH --path=/PATH…`; a path stands for itself and what is below.
"""

from __future__ import annotations

import io
import tarfile

from lading.actions import flags, worker
from lading.debian.deb import Member, members
from lading.errors import NotFoundError

__all__ = ["run"]

_TYPES = {"directory": tarfile.DIRTYPE, "file": tarfile.REGTYPE, "symlink": tarfile.SYMTYPE}


def run(request: worker.Request) -> None:
    """Writes the archive, sorted by path; raises LadingError, also for a path without a file."""
    options, lists = flags.parse(request.arguments, required=("deb", "output"), repeated=("path",))
    found: dict[str, Member] = {}
    unused = set(lists["path"])
    for member in members(options["deb"]):
        for path in lists["path"]:
            if member.path == path or member.path.startswith(path.rstrip("/") + "/"):
                found[member.path] = member
                unused.discard(path)
    if unused:
        raise NotFoundError(f"{options['deb']} has no {min(unused)}")
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(found):
            archive.addfile(_header(found[path]), io.BytesIO(found[path].data))
    flags.write(options["output"], stream.getvalue())


def _header(member: Member) -> tarfile.TarInfo:
    """Owned by root, dated at the epoch: what TarInfo starts with."""
    header = tarfile.TarInfo(member.path.lstrip("/") or ".")
    header.type = _TYPES[member.kind]
    header.mode = member.mode
    header.size = len(member.data)
    header.linkname = member.link
    return header


if __name__ == "__main__":
    worker.main(run)
