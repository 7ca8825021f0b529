"""The lines that say what goes into a layer, as rules write them.

A line is `KIND<TAB>place<TAB>path`, where `place` is a path in the image, and kinds are

    F file              T tree                  L symbolic link         S unresolved link
    D directory         E empty file            M metadata for one path
    A archive           P Debian package        X pattern of paths to leave out of both
    N Nix archive       O object of a Nix store, and V the hash that one of these has
    R archive whose tar, as it is, becomes the layer

Files of a package are many and much alike: after `C<TAB>prefix<TAB>prefix`, a line that is nothing
but `<TAB>rest` is a file whose place and path begin with these.
"""

from __future__ import annotations

from lading.errors import InputError
from lading.layer.paths import image_path, relative_paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Sources"]

#: Kinds that may leave out the fields at their end.
_SHORT = ("D", "E", "X")


class Sources:
    """Lines that were read.

    There are thousands of files, so that they are not objects: `names` has their paths in the
    image, without the slash at the beginning, and `paths` in the same order those of the files
    themselves. `others` has the three fields of every other line.

    Raises:
        InputError: a line is malformed.
    """

    __slots__ = ("names", "others", "paths")

    def __init__(self, lines: Sequence[str]) -> None:
        self.names: list[str] = []
        self.paths: list[str] = []
        self.others: list[list[str]] = []
        prefixes = [number for number, line in enumerate(lines) if line.startswith("C\t")]
        start = 0
        place = path = ""
        for number in [*prefixes, len(lines)]:
            some = lines[start:number]
            self._add_short([line for line in some if line.startswith("\t")], place, path)
            self._add_long([line for line in some if not line.startswith("\t")])
            if number < len(lines):
                _, place, path = _fields(lines[number])
            start = number + 1

    def _add_short(self, lines: Sequence[str], place: str, path: str) -> None:
        if lines:
            prefix = _without_slash(place, path)
            paths = [path + line[1:] for line in lines]
            self.names += relative_paths([prefix + line[1:] for line in lines], what=paths)
            self.paths += paths

    def _add_long(self, lines: Sequence[str]) -> None:
        fields = [_fields(line) for line in lines]
        files = [line for line in fields if line[0] == "F"]
        paths = [path for _, _, path in files]
        names = [_without_slash(place, path) for _, place, path in files]
        self.names += relative_paths(names, what=paths)
        self.paths += paths
        self.others += [line for line in fields if line[0] != "F"]


def _without_slash(place: str, path: str) -> str:
    return place[1:] if place.startswith("/") else image_path(place, what=path)


def _fields(line: str) -> list[str]:
    fields = line.split("\t")
    if len(fields) != 3:
        if len(fields) > 3 or fields[0] not in _SHORT:
            raise InputError(f"{line!r:.200} is not a source: KIND, place, path")
        fields = [*fields, "", ""][:3]
    return fields
