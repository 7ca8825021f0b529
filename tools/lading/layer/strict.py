"""Reads an archive that is to be a layer as it is; what engines would disagree about is refused."""

from __future__ import annotations

from lading.errors import InputError
from lading.layer.decompress import FIRST, NO_TAR
from lading.layer.reading import MAKE_AGAIN
from lading.oci.verify_table import RULES, Severity
from lading.scan.codec import CHUNK
from lading.scan.rules import LayerRules
from lading.scan.source import StreamSource
from lading.scan.tar import TarScanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["read_strictly"]


def read_strictly(chunks: Iterator[bytes], *, what: str, anew: str) -> None:
    """Reads an uncompressed tar archive to its end.

    Args:
        chunks: its bytes.
        what: names the archive in errors.
        anew: how it is packed anew, which mends a directory that occurs twice and nothing else.

    Raises:
        InputError: an error among the rules of `verify`: sizes that disagree, a path that occurs
            twice or leads out, no end.
    """

    def refuse(rule: str, place: str, fault: str) -> None:
        if RULES[rule].severity is Severity.ERROR:
            fix = NO_TAR if place == FIRST else MAKE_AGAIN
            if rule == "tar-duplicate" and is_directory:
                fix = anew
            raise InputError(f"{what}: {place}: {fault} ({rule})", fix=fix)

    is_directory = False
    source = StreamSource(chunks)
    rules = LayerRules(refuse)
    for entry in TarScanner(source, refuse):
        is_directory = entry.type == "5"
        rules.check(entry)
    while source.skip(CHUNK):
        pass
