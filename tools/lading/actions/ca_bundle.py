"""Build action: the bundle of certificates that a ca-certificates package makes at installation.

Arguments: `--deb=PATH --output=PATH`.
"""

from __future__ import annotations

from lading.actions import flags, worker
from lading.debian.deb import members
from lading.errors import NotFoundError

__all__ = ["run"]

_FOLDER = "/usr/share/ca-certificates/"


def run(request: worker.Request) -> None:
    """Concatenates the package's `.crt` files, sorted by path; raises LadingError."""
    options, _ = flags.parse(request.arguments, required=("deb", "output"))
    certificates = {
        member.path: member.data
        for member in members(options["deb"])
        if member.kind == "file"
        and member.path.startswith(_FOLDER)
        and member.path.endswith(".crt")
    }
    if not certificates:
        raise NotFoundError(
            f"{options['deb']} has no certificates below {_FOLDER}",
            fix="`deb` has to be the package ca-certificates",
        )
    # A certificate whose file does not end its last line would swallow the next one's first line.
    bundle = b"".join(certificates[path].rstrip(b"\n") + b"\n" for path in sorted(certificates))
    flags.write(options["output"], bundle)


if __name__ == "__main__":
    worker.main(run)
