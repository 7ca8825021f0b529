"""What is known of a layer before any of its files is read, and which kept frames that makes good.

Bazel tells a worker the digest of every input. Of the files it says nothing about, such as those
below a directory in the source tree, the digest is computed each time. Nothing is taken from times
or paths. What is read is compared with Bazel's digest: a file may have changed since Bazel looked
at it, and then nothing that Bazel says is taken.
"""

from __future__ import annotations

import hashlib
import os
from binascii import b2a_base64
from contextlib import suppress

from lading.layer.entries import FILE, Content, Entry, Slice
from lading.layer.kept import Kept, KeptFrame, StaleError
from lading.layer.lay import ARCHIVE_END, BEFORE_LARGE
from lading.layer.reading import Opened, changed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from hashlib import _Hash

    from lading.layer.kept import FrameCache, Token

__all__ = ["Known", "know"]

_EMPTY = hashlib.sha256().hexdigest()
_CHUNK = 1 << 20
#: Bytes of members of archives that are hashed for nothing but the chance of a later build.
_MAX_MEMBERS = 64 << 20


class Known:
    """The entries of a layer with the digests of their content.

    Takes the place of `Links` in laying: hard links follow from digests.

    Args:
        entries: of the layer, in order.
        inputs: path to digest of what is known already.
        previous: what was kept of the layer as it was before.
        form: how `inputs` has a sha256 that is given to it in hex.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        inputs: Mapping[str, str],
        previous: Kept | None,
        form: Callable[[str], str],
    ) -> None:
        self.frames: list[KeptFrame] = []
        self._inputs = inputs
        self._form = form
        self._previous = previous
        self._large: set[object] = set(previous.large) if previous else set()
        self._reused = 0
        self._index = 0
        self._offset = 0
        self._links: dict[int, str] = {}
        self._tokens = self._identify(entries)

    def _identify(self, entries: Sequence[Entry]) -> list[Token]:
        """A token for each entry: equal tokens, equal bytes in the archive."""
        inputs = self._inputs
        empty = self._form(_EMPTY)
        first: dict[tuple[object, object], str] = {}
        keys: dict[int, object] = {}
        tokens: list[Token] = []
        for entry in entries:
            meta = entry.meta
            key = keys.get(id(meta))
            if key is None:
                key = keys[id(meta)] = meta.key()
            path = entry.path
            if entry.kind != FILE:
                tokens.append((path, key, entry.kind, entry.link))
                continue
            source = entry.source
            digest = inputs.get(source) if type(source) is str else None
            if not digest:
                digest = self._form(_digest(source))
            link = ""
            if digest != empty:
                link = first.setdefault((digest, key), path)
                if link is path:
                    link = ""
                else:
                    self._links[len(tokens)] = link
            tokens.append((path, key, digest, link))
        return tokens

    @property
    def large(self) -> frozenset[object]:
        """Digests of the large files in the layer."""
        return frozenset(self._large.intersection(token[2] for token in self._tokens))

    @property
    def only_kept(self) -> bool:
        """Whether all frames so far are the first ones of the layer as it was."""
        return self._reused == len(self.frames)

    def find(self, index: int, offset: int) -> KeptFrame | None:
        """A kept frame for what begins at `offset` of the content of entry `index`."""
        previous = self._previous
        if previous is None:
            return None
        tokens = self._tokens
        token = tokens[index] if index < len(tokens) else None
        only_prefix = previous.fd < 0
        for frame in previous.starting(token, offset):
            is_next = frame.number == self._reused == len(self.frames)
            if (is_next or not only_prefix) and self._fits(frame, index):
                self._reused += is_next
                self._add(frame.tokens, offset, frame.stop, frame.end)
                self._index = index + len(frame.tokens) - (frame.stop > 0)
                self._offset = frame.stop
                return frame
        return None

    def _fits(self, frame: KeptFrame, index: int) -> bool:
        stop = index + len(frame.tokens)
        tokens = self._tokens
        if frame.end == ARCHIVE_END:
            if stop != len(tokens):
                return False
        elif frame.end == BEFORE_LARGE and not (
            stop < len(tokens) and tokens[stop][2] in self._large and not tokens[stop][3]
        ):
            return False
        return tokens[index:stop] == frame.tokens

    def position(self) -> tuple[int, int]:
        """Where laying goes on: the index of an entry, and an offset of its content."""
        return self._index, self._offset

    def laid(self, index: int, offset: int, end: int) -> None:
        """A frame was laid that ends before `offset` of entry `index`."""
        tokens = self._tokens[self._index : index + (offset > 0)]
        self._add(tokens, self._offset, offset, end)
        self._index, self._offset = index, offset

    def _add(self, tokens: list[Token], offset: int, stop: int, end: int) -> None:
        self.frames.append(KeptFrame(len(self.frames), tokens, offset, stop, end))

    def link(self, index: int) -> str:
        """The path of an earlier file with the content and metadata of entry `index`, or ""."""
        return self._links.get(index, "")

    def read_small(self, index: int, entry: Entry, content: memoryview) -> None:
        """A small file was read; raises as `end_large` does."""
        self.end_large(index, entry, hashlib.sha256(content))

    def begin_large(self, index: int) -> _Hash:
        """A sha256, to be updated with the content of a large file."""
        self._large.add(self._tokens[index][2])
        return hashlib.sha256()

    def end_large(self, index: int, entry: Entry, digest: _Hash) -> None:
        """A large file was read.

        Raises:
            InputError: it changed since its digest was computed here.
            StaleError: it changed since Bazel looked at it: then the hard links that follow from
                digests may be wrong.
        """
        if self._form(digest.hexdigest()) == self._tokens[index][2]:
            return
        source = entry.source
        if type(source) is str and self._inputs.get(source):
            raise StaleError
        raise changed(entry.describe())


def know(
    entries: Sequence[Entry], inputs: Mapping[str, str], cache: FrameCache, previous: Kept | None
) -> Known | None:
    """What is known of `entries`, or None when finding it out does not pay.

    That is when Bazel's digests are not sha256, or when much of the content comes out of archives,
    of whose members Bazel knows nothing.

    Args:
        entries: of the layer, in order.
        inputs: path to digest, as Bazel's worker protocol has it; empty for an unknown one.
        cache: remembers how Bazel writes digests.
        previous: what was kept of the layer.

    Raises:
        LadingError: content of unknown digest cannot be read.
    """
    members = sum(entry.size for entry in entries if type(entry.source) is Slice)
    if members > _MAX_MEMBERS:
        return None
    if cache.form is None:
        path = _sample(entries, inputs)
        if path:
            cache.form = _find_form(path, inputs[path])
            if cache.form is None:
                return None
    return Known(entries, inputs, previous, cache.form or str)


def _sample(entries: Iterable[Entry], inputs: Mapping[str, str]) -> str:
    """A file whose digest is stated, one that is quick to read if there is."""
    paths = (entry.source for entry in entries if entry.kind == FILE)
    stated = [path for path in paths if type(path) is str and inputs.get(path)]
    for path in stated[:100]:
        with suppress(OSError):
            if os.stat(path).st_size <= _CHUNK:
                return path
    return stated[0] if stated else ""


def _find_form(path: str, stated: str) -> Callable[[str], str] | None:
    """How a sha256 in hex is written in `stated`, which is that of the file, or None."""
    digest = _digest(path)
    return next((form for form in (str, _base64) if form(digest) == stated), None)


def _base64(text: str) -> str:
    """As the JSON form of protocol buffers has text in a field of type bytes."""
    return b2a_base64(text.encode(), newline=False).decode()


def _digest(source: Content) -> str:
    """sha256 of any content, in hex."""
    if type(source) is bytes:
        return hashlib.sha256(source).hexdigest()
    digest = hashlib.sha256()
    with Opened(source) as content:
        buffer = memoryview(bytearray(min(content.size, _CHUNK) + 1))
        for offset in range(0, content.size, _CHUNK):
            length = min(_CHUNK, content.size - offset)
            content.read_into(buffer, offset, length)
            digest.update(buffer[:length])
    return digest.hexdigest()
