"""The table of rules of `lading verify`; docs/verify.md has it for people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

__all__ = ["RULES", "Kind", "Rule", "Severity"]


class Severity(Enum):
    """How much a finding matters: only errors, and warnings when asked, fail a verification."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Kind(Enum):
    """The class of a rule. When several classes are found, the first one here sets the exit code.

    The codes mean what they mean in `lading.errors`; 12 is this tool's own.
    """

    UNSAFE = "unsafe"  # two readers may see two different images, or extraction may escape
    CORRUPT = "corrupt"  # bytes are not what their digest, size or format says
    MISSING = "missing"  # something that is referred to is not there
    INVALID = "invalid"  # the specification says otherwise
    LIMIT = "limit"  # a cap was reached: the rest was not examined

    @property
    def exit_code(self) -> int:
        return _EXIT_CODES[self]


_EXIT_CODES = {Kind.UNSAFE: 12, Kind.CORRUPT: 5, Kind.MISSING: 4, Kind.INVALID: 3, Kind.LIMIT: 9}


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that has to hold. `summary` says what is wrong when it does not."""

    id: str
    severity: Severity
    kind: Kind
    summary: str
    fix: str


def _table() -> Iterable[Rule]:
    error, warning, note = Severity.ERROR, Severity.WARNING, Severity.NOTE
    unsafe, corrupt, missing = Kind.UNSAFE, Kind.CORRUPT, Kind.MISSING
    invalid, limit = Kind.INVALID, Kind.LIMIT
    build = "build the image again with a tool that follows the specification"
    fetch = "fetch or build the image again; the copy at hand is damaged"
    refuse = "do not use the image; ask whoever made it for another"
    raise_ = "raise the cap if the image can be trusted"
    return [
        # The layout or archive around the image (image-layout.md).
        Rule("layout-marker", error, invalid,
             "`oci-layout` is missing or does not say imageLayoutVersion 1.0.0",
             'write {"imageLayoutVersion":"1.0.0"} to oci-layout'),
        Rule("layout-index", error, missing, "`index.json` is missing", build),
        Rule("layout-blob-name", error, invalid,
             "something under `blobs/` is not named by a digest", "remove it from the layout"),
        Rule("layout-file-type", error, unsafe,
             "a link, pipe or device is where a file or directory has to be",
             "copy the real file there; --follow_links accepts links in directories"),
        Rule("layout-unreferenced", note, invalid,
             "a blob is reached from no root: it only takes space",
             "collect garbage (`umoci gc`) or write the layout again"),
        Rule("layout-ref-name", warning, invalid,
             "a tag in `index.json` is malformed or names two contents", "keep one of the two"),
        Rule("docker-manifest", error, invalid,
             "`manifest.json` of a docker-archive is malformed", build),
        Rule("docker-tag", error, invalid,
             "`RepoTags` of a docker-archive holds something that is no name:tag", build),
        Rule("docker-oci-disagreement", error, unsafe,
             "`manifest.json` and `index.json` of one archive describe different images", refuse),
        # JSON as such.
        Rule("json-syntax", error, corrupt, "a document is not JSON in UTF-8", fetch),
        Rule("json-duplicate-key", error, unsafe,
             "an object has a key twice: readers disagree on which counts", refuse),
        Rule("json-size", error, limit, "a document is larger than 4 MiB", refuse),
        Rule("document-ambiguous", error, unsafe,
             "a document claims to be an index and a manifest at once (CVE-2021-41190)", refuse),
        Rule("document-media-type", error, unsafe,
             "the mediaType in a document is not the one it is described with", refuse),
        Rule("schema-version", error, invalid, "schemaVersion is not 2", build),
        # Descriptors and annotations (descriptor.md, annotations.md).
        Rule("digest-grammar", error, invalid,
             "a digest is not an algorithm and lowercase hex of the right length", refuse),
        Rule("digest-algorithm", error, invalid,
             "a digest uses an algorithm that is not registered", build),
        Rule("descriptor-media-type", error, invalid,
             "a descriptor has no media type, or one outside RFC 6838", build),
        Rule("descriptor-size", error, invalid,
             "a descriptor's size is not a number of bytes", build),
        Rule("descriptor-data", error, unsafe,
             "a descriptor's embedded data is not the content it describes", refuse),
        Rule("descriptor-urls", warning, unsafe,
             "a descriptor points at foreign URLs, which lading never fetches",
             "push the layer to the registry like any other"),
        Rule("descriptor-platform", error, invalid,
             "a descriptor's platform is malformed or lacks os or architecture", build),
        Rule("descriptor-artifact-type", error, invalid,
             "an artifactType is not a media type, or is missing where it is required", build),
        Rule("descriptor-empty", error, invalid,
             "the empty media type describes something other than `{}`", build),
        Rule("annotations", error, invalid, "annotations are not a map of strings", build),
        # Content behind descriptors.
        Rule("blob-missing", error, missing, "content that is referred to is not there", fetch),
        Rule("blob-size", error, corrupt, "content has not the size it is described with", fetch),
        Rule("blob-digest", error, corrupt, "content has not the digest it is named by", fetch),
        # Indexes and platforms (image-index.md).
        Rule("index-manifests", error, invalid, "an index has no list of manifests", build),
        Rule("index-depth", error, limit, "indexes nest too deep", refuse),
        Rule("platform-missing", warning, invalid,
             "one of several manifests of an index has no platform", build),
        Rule("platform-vocabulary", warning, invalid,
             "an os, architecture or variant is not one of Go's", "use GOOS and GOARCH names"),
        Rule("platform-duplicate", warning, invalid,
             "two images of an index are for one platform: only the first is ever used",
             "remove one of them"),
        Rule("platform-mismatch", error, invalid,
             "an image is described with a platform other than its own", build),
        Rule("platform-expected", error, invalid,
             "the image is not for the platform that was asked for", "build it for that platform"),
        # Manifests (manifest.md).
        Rule("manifest-config", error, invalid, "a manifest has no config", build),
        Rule("manifest-layers", error, invalid, "a manifest has no list of layers", build),
        Rule("manifest-no-layers", note, invalid, "an image has no layers at all",
             "add a layer; some runtimes refuse such an image"),
        Rule("layer-media-type", warning, invalid,
             "a layer of an image has a media type that runtimes do not know",
             "use application/vnd.oci.image.layer.v1.tar, +gzip or +zstd"),
        # Image configuration (config.md).
        Rule("config-platform", error, invalid,
             "an image configuration lacks os or architecture", build),
        Rule("config-field", error, invalid,
             "a field of an image configuration has the wrong type or form", build),
        Rule("rootfs-type", error, invalid, "rootfs.type is not `layers`", build),
        Rule("rootfs-diff-ids", error, invalid, "rootfs.diff_ids is not a list of digests", build),
        Rule("diff-id-count", error, invalid,
             "there are more layers than diff_ids, or fewer", build),
        Rule("history-count", error, invalid,
             "the history has another number of layers than the image", build),
        # Layers as bytes (layer.md).
        Rule("diff-id", error, corrupt,
             "an uncompressed layer has not the digest its diff_id states", refuse),
        Rule("layer-compression", error, invalid,
             "a layer is compressed in another way than its media type says", build),
        Rule("layer-toc", error, unsafe,
             "a table of contents for lazy pulling says something else than the layer", refuse),
        Rule("compression-corrupt", error, corrupt,
             "a compressed stream is damaged or cut off", fetch),
        Rule("compression-trailing-data", error, unsafe,
             "bytes follow the end of a compressed stream", refuse),
        # Layers and archives as tar (layer.md, POSIX pax).
        Rule("tar-header", error, corrupt,
             "a tar header is malformed or fails its checksum", fetch),
        Rule("tar-field", error, invalid,
             "an owner or time is out of range, a file has a directory's name, or a symbolic link "
             "no target: readers differ", build),
        Rule("tar-truncated", error, corrupt, "a tar archive is cut off", fetch),
        Rule("tar-end", error, corrupt,
             "a tar archive does not end with two zero blocks", fetch),
        Rule("tar-trailing-data", error, unsafe,
             "bytes that are not zero follow the end of a tar archive", refuse),
        Rule("tar-size-disagreement", error, unsafe,
             "the PAX size and the header's size of an entry differ (CVE-2025-62518)", refuse),
        Rule("tar-link-size", error, unsafe,
             "a link, directory or device claims to have data: readers disagree on it", refuse),
        Rule("tar-pax", error, unsafe,
             "an extended header is malformed, ambiguous or global where it may not be", refuse),
        Rule("tar-type", error, invalid, "an entry's type is not one of POSIX or GNU tar", build),
        Rule("tar-sparse", warning, invalid,
             "a file is stored sparse, which not every runtime reads",
             "archive it without --sparse"),
        Rule("tar-duplicate", error, unsafe,
             "a path occurs twice: readers disagree on which counts", refuse),
        Rule("tar-name-absolute", error, unsafe, "a name is absolute", refuse),
        Rule("tar-name-parent", error, unsafe, "a name contains `..`", refuse),
        Rule("tar-name-empty", error, invalid, "a name is empty or holds a NUL", build),
        Rule("tar-name-encoding", warning, invalid, "a name is not UTF-8", build),
        Rule("tar-name-long", error, invalid,
             "a component of a name is longer than 255 bytes: hardly any file system takes it",
             build),
        Rule("tar-through-link", error, unsafe,
             "an entry lies below something that is no directory: extraction may escape", refuse),
        Rule("tar-hardlink", error, invalid,
             "a hard link's target is no earlier file of the same layer", build),
        Rule("tar-hardlink-escape", error, unsafe,
             "a hard link's target is absolute or contains `..`", refuse),
        Rule("tar-hardlink-metadata", warning, unsafe,
             "a hard link has another mode or owner than its file: engines give the file those of "
             "the link, tar does not", build),
        Rule("tar-whiteout", error, invalid, "a whiteout is not an empty regular file", build),
        Rule("tar-whiteout-name", error, unsafe,
             "a whiteout names nothing, or its own or its parent's directory", refuse),
        Rule("tar-whiteout-order", warning, invalid,
             "a whiteout comes after what it might hide: readers disagree on the result", build),
        # Caps (`Limits`).
        Rule("limit-entries", error, limit, "a layer has too many entries", raise_),
        Rule("limit-name", error, limit, "a name is longer than any path can be", refuse),
        Rule("limit-names", error, limit, "the names of a layer take too much memory", refuse),
        Rule("limit-size", error, limit, "a layer or image is too large uncompressed", raise_),
        Rule("limit-ratio", error, limit, "a layer expands like a bomb", raise_),
        Rule("limit-time", error, limit, "verification took too long", raise_),
        Rule("limit-documents", error, limit, "there are too many manifests", raise_),
    ]  # fmt: skip


#: Every rule by its identity, in the order of docs/verify.md.
RULES: dict[str, Rule] = {rule.id: rule for rule in _table()}
