"""Which Debian packages an image has, read from its layers without unpacking them."""

from __future__ import annotations

from lading.debian.package import Package, parse_package
from lading.errors import CorruptError, LadingError, LimitError
from lading.oci.content import Content
from lading.scan.codec import Fault
from lading.scan.tar import scan_stream
from lading.store.image import Image

__all__ = ["installed"]

_STATUS = "var/lib/dpkg/status"
_STATUS_D = "var/lib/dpkg/status.d/"
#: Most bytes of the database that are read, of all layers: 30 times that of a full desktop.
_MAX_STATUS = 256 << 20
#: Fields that an index has and an installed package does not.
_ABSENT = f"\nFilename: installed\nSize: 0\nSHA256: {'0' * 64}\n"


def installed(content: Content, image: Image) -> dict[str, Package]:
    """The packages by name: those of dpkg's database, and those that lading's layers record.

    Raises CorruptError for a layer that cannot be read, LimitError for a database far too large.
    """
    files: dict[str, bytes] = {}
    left = _MAX_STATUS
    for layer in image.layers:
        with content.open(layer) as stream:

            def report(rule: str, at: str, fault: str, what: str = str(layer.digest)) -> None:
                if rule.startswith(("tar-header", "tar-truncated", "compression")):
                    raise CorruptError(f"the layer {what} cannot be read at {at}: {fault}")

            scanner = scan_stream(stream, report)
            for entry in scanner:
                name = entry.name.decode("utf-8", "replace").removeprefix("./").lstrip("/")
                wanted = name == _STATUS or name.startswith(_STATUS_D)
                if wanted and entry.type == "0" and not name.endswith(".md5sums"):
                    left -= entry.size
                    if left < 0:
                        raise LimitError(
                            f"/{name} is too large for a list of packages: with it there are more"
                            f" than {_MAX_STATUS} bytes"
                        )
                    try:
                        files[name] = b"".join(bytes(piece) for piece in scanner.data())
                    except Fault as fault:
                        report(fault.rule, name, fault.what)
    found: dict[str, Package] = {}
    for _, data in sorted(files.items()):
        for stanza in data.decode("utf-8", "replace").split("\n\n"):
            if "Package:" not in stanza or _is_gone(stanza):
                continue
            try:
                package = parse_package(stanza.strip("\n") + _ABSENT, "debian")
            except LadingError:
                continue  # unusual, and then it counts as not installed
            found[package.name] = package
    return found


def _is_gone(stanza: str) -> bool:
    for line in stanza.splitlines():
        if line.startswith("Status:"):
            return not line.endswith(" installed")
    return False
