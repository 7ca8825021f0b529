"""Paths in an image and the directories that are there by standard."""

from __future__ import annotations

from lading.errors import InputError
from lading.layer.entries import Meta

__all__ = ["image_path", "parent_meta", "sort_key"]

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
    if not path.isascii():
        try:
            path.encode()
        except UnicodeEncodeError:
            raise InputError(
                f"{what}: the path {text!r:.200} is not UTF-8", fix="rename the file"
            ) from None
    if "\0" in path:
        raise InputError(f"{what}: the path {text!r:.200} holds a NUL")
    return path


def parent_meta(path: str) -> Meta:
    """Metadata of a directory that is an entry only because something lies in it."""
    return _STANDARD.get(path, _PLAIN)


def sort_key(path: str) -> str:
    """Orders entries by their UTF-8 bytes, whiteouts before everything beside them.

    image-spec 1.1, layer.md, "Whiteouts": a whiteout listed after a sibling might hide it.
    """
    head, slash, name = path.rpartition("/")
    return f"{head}{slash}\0{name}" if name.startswith(".wh.") else path
