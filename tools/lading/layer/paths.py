"""Paths in an image and the directories that are there by standard."""

from __future__ import annotations

from lading.errors import InputError
from lading.layer.entries import Meta

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["OPAQUE", "WHITEOUT", "image_path", "parent_meta", "relative_paths", "sort_key"]

#: How the names of whiteouts begin, and the one that hides all that a lower layer has in its
#: directory (image-spec 1.1, layer.md, "Whiteouts").
WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"

#: What a path, with a line break behind it, has to hold to be another one than it says, or none.
_ODD = ("//", "/./", "/../", "/\n", "/.\n", "/..\n", "\0")

#: Directories whose mode is not 0755 wherever Debian, Fedora or FHS 3.0 describe them.
_STANDARD_MODES = {
    "dev/shm": 0o1777,
    "root": 0o700,
    "tmp": 0o1777,
    "var/tmp": 0o1777,
}
_STANDARD = {path: Meta(mode) for path, mode in _STANDARD_MODES.items()}
_PLAIN = Meta(0o755)


def image_path(text: str, *, what: str) -> str:
    """The path of an entry, relative to the image's root, from an absolute path.

    Empty and `.` components and a trailing slash are dropped; the root itself is the empty path.

    Args:
        text: an absolute path.
        what: names the source in errors.

    Raises:
        InputError: `text` is relative, has a `..` component, a NUL, or is not UTF-8.
    """
    if text[:1] != "/":
        raise InputError(
            f"{what}: {text!r:.200} is not an absolute path in the image", fix="start it with a /"
        )
    path = text[1:]
    if "//" in text or "/." in text or text[-1:] == "/":
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise InputError(
                f"{what}: {text!r:.200} has a '..' component", fix="write the path it stands for"
            )
        path = "/".join(parts)
    if not path.isascii() and not _is_utf8(path):
        raise InputError(f"{what}: the path {text!r:.200} is not UTF-8", fix="rename the file")
    if "\0" in path:
        raise InputError(f"{what}: the path {text!r:.200} holds a NUL")
    return path


def relative_paths(names: list[str], *, what: Sequence[str]) -> list[str]:
    """`image_path` of each name with a slash before it; `names` itself if there is nothing to do.

    Looking at all of them at once takes a tenth of the time.
    """
    lines = "/" + "\n/".join(names) + "\n"
    if (
        lines.count("\n") == len(names)
        and not any(odd in lines for odd in _ODD)
        and (lines.isascii() or _is_utf8(lines))
    ):
        return names
    return [image_path(f"/{name}", what=source) for name, source in zip(names, what, strict=True)]


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def parent_meta(path: str) -> Meta:
    """Metadata of a directory that is an entry only because something lies in it."""
    return _STANDARD.get(path, _PLAIN)


def sort_key(path: str) -> str:
    """Orders entries by their UTF-8 bytes, whiteouts before everything beside them.

    image-spec 1.1, layer.md, "Whiteouts": a whiteout listed after a sibling might hide it.
    """
    head, slash, name = path.rpartition("/")
    return f"{head}{slash}\0{name}" if name.startswith(WHITEOUT) else path
