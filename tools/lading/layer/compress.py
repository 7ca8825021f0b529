"""Compressors: a frame in, the bytes of one gzip member or zstd frame out.

Output depends on the frame, the level and the pinned wheel, on nothing else: not on the CPU, the
heap or earlier frames. ISA-L was faster and failed that test.
"""

from __future__ import annotations

from lading.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Bytes = bytes | bytearray | memoryview
    Compress = Callable[[Bytes], Bytes]

__all__ = ["SOCI_SPAN", "Compression"]

_MIB = 1 << 20
_LEVELS = {
    "gzip": {"fast": 1, "small": 4, "smallest": 6},
    "zstd": {"fast": 1, "small": 3, "smallest": 19},
    "none": {"fast": 0, "small": 0, "smallest": 0},
}
_LIMITS = {"gzip": (0, 12), "zstd": (1, 22), "none": (0, 0)}
#: Bytes of a frame on average. A gzip window is 32 KiB, so longer members gain nothing; zstd
#: gains up to its window, and memory grows with it.
_TARGETS = {"gzip": _MIB, "zstd": 4 * _MIB, "none": _MIB}
#: The same of a layer with a zTOC, which takes 32 KiB a frame: soci-snapshotter's own default.
SOCI_SPAN = 4 * _MIB
_MEDIA_SUFFIX = {"gzip": "+gzip", "zstd": "+zstd", "none": ""}

_COMPRESSIONS = tuple(_LEVELS)
_PROFILES = ("fast", "small", "smallest")

# Samples of a frame, in bytes, which tell whether it is worth compressing.
_SAMPLE = 2048
_SAMPLES = 8


class Compression:
    """How a layer is compressed: `kind`, `level`, and what follows from them.

    `profile` is empty when the level was asked for by its number. `target` is the bytes of a frame
    on average, where 0 leaves them to the kind.
    """

    __slots__ = ("kind", "level", "media_type", "profile", "target")

    def __init__(
        self, kind: str, profile: str = "fast", level: int = -1, *, target: int = 0
    ) -> None:
        """Raises UsageError for a kind, profile or level that does not exist."""
        if kind not in _LEVELS:
            raise UsageError(f"compression {kind!r:.40} is not one of {', '.join(_COMPRESSIONS)}")
        if profile not in _PROFILES:
            raise UsageError(f"profile {profile!r:.40} is not one of {', '.join(_PROFILES)}")
        low, high = _LIMITS[kind]
        if level >= 0 and kind != "none" and not low <= level <= high:
            raise UsageError(f"{kind} level {level} is not between {low} and {high}")
        self.kind = kind
        self.profile = "" if level >= 0 and kind != "none" else profile
        self.level = _LEVELS[kind][profile] if self.profile else level
        self.target = target or _TARGETS[kind]
        self.media_type = "application/vnd.oci.image.layer.v1.tar" + _MEDIA_SUFFIX[kind]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Compression) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, int, bool, int]:
        """What the bytes of a layer depend on: of the profiles, one has tables of its own."""
        return self.kind, self.level, self._has_small_tables, self.target

    @property
    def _has_small_tables(self) -> bool:
        return self.kind == "zstd" and self.profile == "small"

    def compressor(self) -> Compress:
        """A function for one thread; its result may refer to its argument's memory."""
        if self.kind == "gzip":
            return _gzip(self.level)
        if self.kind == "zstd":
            return _zstd(self.level, small_tables=self._has_small_tables)
        return lambda frame: frame

    def decompress(self, packed: bytes) -> Bytes:
        """The frame that a compressor made `packed` of; not for what others made."""
        if self.kind == "gzip":
            from deflate import gzip_decompress

            return gzip_decompress(packed)
        if self.kind == "zstd":
            from zstandard import ZstdDecompressor

            return ZstdDecompressor().decompress(packed)
        return packed


def _gzip(level: int) -> Compress:
    # RFC 1952; libdeflate writes MTIME 0, OS 255, no name, and XFL by level.
    from deflate import gzip_compress

    # What shrinks by less than a fifth takes longest; who wants it fast wants it stored.
    each = 448 if level == 1 else 0

    def compress(frame: Bytes) -> bytes | bytearray:
        return gzip_compress(frame, 0 if _is_dense(frame, each) else level)

    return compress


def _zstd(level: int, *, small_tables: bool) -> Compress:
    # RFC 8878; the content size is in the frame's header, there is no checksum and no dictionary.
    # zstd notices by itself what does not compress.
    from zstandard import ZstdCompressionParameters, ZstdCompressor

    if not small_tables:
        compressor = ZstdCompressor(level=level, write_content_size=True, write_checksum=False)
        return compressor.compress
    # Level 3 with tables that a core's own cache holds: a tenth faster, for at most 1.4 % in size.
    parameters = ZstdCompressionParameters.from_level(
        level,
        window_log=21,
        hash_log=17,
        chain_log=13,
        write_content_size=True,
        write_checksum=False,
    )
    return ZstdCompressor(compression_params=parameters).compress


def _is_dense(frame: Bytes, each: int) -> bool:
    """Whether samples at fixed places of `frame` hardly compress: encrypted or packed already.

    Trying all of such a frame takes libdeflate longer than text does and gains next to nothing.
    It is worth it as soon as the samples so far have saved half a sample, which is a sixteenth of
    all of them, and `each` bytes for each one.
    """
    size = len(frame)
    if size < 4 * _SAMPLES * _SAMPLE:
        return False
    from deflate import deflate_compress

    left = _SAMPLE // 2
    step = size // _SAMPLES
    for start in range(step // 2, size, step):
        left += each - _SAMPLE + len(deflate_compress(frame[start : start + _SAMPLE], 1))
        if left < 0:
            return False
    return True
