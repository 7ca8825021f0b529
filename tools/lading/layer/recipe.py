"""A layer as its recipe: what it is made of, instead of its bytes.

The recipe of a layer is a few lines where the layer may be gigabytes, and the same compressors in
the same versions give the same bytes again. So a layer need not exist as a file: it is made while
it is sent, and whoever reads it checks its digest.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import tempfile
import threading
from pathlib import Path
from typing import Any, BinaryIO, cast

from lading.errors import InputError, LadingError, NotFoundError
from lading.layer.build import LayerRequest, write_layer
from lading.layer.compress import Compression

__all__ = ["dumps", "open_layer"]

_VERSION = 6
#: Kinds of sources whose last field is a path on this machine, or begins one.
_PATHS = frozenset("CFTSAPRNO")
_PIPE = 1 << 20


def dumps(request: LayerRequest) -> bytes:
    """The recipe of what `request` builds; its paths stay relative, as Bazel has them."""
    value = {
        "version": _VERSION,
        "compression": request.compression.kind,
        "profile": request.compression.profile,
        "level": request.compression.level,
        "target": request.compression.target,
        "create_parent_directories": request.create_parent_directories,
        "deduplicate_trees": request.deduplicate_trees,
        "default_metadata": request.default_metadata,
        "estargz": request.estargz,
        # Hashes of sources were checked; what is made from the recipe has a digest of its own.
        "sources": [source for source in request.sources if source[:2] != "V\t"],
    }
    return json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n"


def open_layer(recipe: Path, root: Path) -> BinaryIO:
    """Makes the layer of `recipe` while it is read.

    Reading raises the LadingError that making it ends with, such as a source that is gone.

    Args:
        recipe: what `dumps` gave, in a file.
        root: directory that the recipe's paths are relative to: Bazel's execution root.

    Raises:
        NotFoundError: there is no such file.
        InputError: it is no recipe, or one of another version.
    """
    try:
        value = json.loads(recipe.read_bytes())
    except FileNotFoundError:
        raise NotFoundError(f"{recipe} does not exist", fix="build the target again") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{recipe} is no recipe: {error}", fix="build the target again") from None
    version = value.get("version") if isinstance(value, dict) else None
    if version != _VERSION:
        raise InputError(
            f"{recipe} has version {version!r}, this lading reads {_VERSION}",
            fix="build the target again",
        )
    return cast("BinaryIO", _LayerReader(_request(value, str(root))))


def _request(value: dict[str, Any], root: str) -> LayerRequest:
    return LayerRequest(
        "",
        [_absolute(line, root) for line in value["sources"]],
        compression=_compression(value),
        default_metadata=value["default_metadata"],
        create_parent_directories=value["create_parent_directories"],
        deduplicate_trees=value["deduplicate_trees"],
        estargz=value["estargz"],
    )


def _compression(value: dict[str, Any]) -> Compression:
    if value["profile"]:
        return Compression(value["compression"], value["profile"], target=value["target"])
    return Compression(value["compression"], level=value["level"], target=value["target"])


def _absolute(line: str, root: str) -> str:
    kind, tab, rest = line.partition("\t")
    if kind not in _PATHS:
        return line
    place, between, path = rest.partition("\t")
    return f"{kind}{tab}{place}{between}{os.path.join(root, path)}"


class _LayerReader(io.RawIOBase):
    """The reading end of a pipe that a thread writes a layer into."""

    def __init__(self, request: LayerRequest) -> None:
        self._error: BaseException | None = None
        self._closing = False
        reading, writing = os.pipe()
        # A larger pipe is fewer turns; the kernel may refuse it.
        with contextlib.suppress(OSError, AttributeError):
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE)
        self._pipe = os.fdopen(reading, "rb", buffering=0)
        self._thread = threading.Thread(target=self._make, args=(request, writing), daemon=True)
        self._thread.start()

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(_PIPE), b""))
        parts, left = [], size
        while left and (data := self._pipe.read(left)):
            parts.append(data)
            left -= len(data)
        if left and size:
            self._thread.join()
            if self._error is not None:
                raise self._error
        return b"".join(parts)

    def close(self) -> None:
        if not self.closed:
            # The writer finds nobody at the other end, and stops.
            self._closing = True
            self._pipe.close()
            self._thread.join()
        super().close()

    def _make(self, request: LayerRequest, writing: int) -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="lading-") as scratch:
                write_layer(request, writing, scratch=scratch)
        except LadingError as error:
            if not self._closing:
                self._error = error
        except BaseException as error:  # noqa: BLE001  # handed to the thread that can report it
            self._error = error
        finally:
            os.close(writing)
