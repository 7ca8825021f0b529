"""Rules of content descriptors and their platforms (image-spec 1.1, descriptor.md)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from lading.errors import CorruptError, InputError
from lading.oci import media_types
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.oci.platform import Platform
from lading.oci.verify_json import check_annotations, list_of_strings, show
from lading.oci.verify_rules import Findings

__all__ = ["check_descriptor", "check_digest", "check_platform", "is_media_type", "same_platform"]

_WORD = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_MEDIA_TYPE = re.compile(rf"{_WORD}/{_WORD}")
_DIGEST = re.compile(r"([a-z0-9]+(?:[+._-][a-z0-9]+)*):([a-zA-Z0-9=_-]+)")
_MAX_SIZE = (1 << 63) - 1

# Go's ports (`go tool dist list`), the vocabulary that image-index.md refers to.
_OS = frozenset(
    {
        "aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "ios", "js",
        "linux", "nacl", "netbsd", "openbsd", "plan9", "solaris", "wasip1", "windows", "zos",
    }
)  # fmt: skip
_ARCHITECTURES = frozenset(
    {
        "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle",
        "ppc64", "ppc64le", "riscv64", "s390x", "wasm",
    }
)  # fmt: skip
_VARIANTS = {
    "arm": re.compile(r"v[5-8]"),
    "arm64": re.compile(r"v8(\.[0-9])?|v9(\.[0-9])?"),
    "amd64": re.compile(r"v[1-4]"),
}


def is_media_type(value: object) -> bool:
    """Whether `value` is a media type of RFC 6838."""
    return isinstance(value, str) and _MEDIA_TYPE.fullmatch(value) is not None


def check_digest(value: object, *, subject: str, at: str, found: Findings) -> Digest | None:
    """The digest, or None after noting what is wrong with it."""
    try:
        return Digest.parse(value)
    except InputError:
        pass
    match = _DIGEST.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[1] in ("sha256", "sha512"):
        found.add("digest-grammar", subject, f"{show(value)} is not a digest", at=at)
    else:
        found.add("digest-algorithm", subject, f"{show(value)} is not of sha256 or sha512", at=at)
    return None


def check_descriptor(value: object, *, subject: str, at: str, found: Findings) -> Descriptor | None:
    """The descriptor at the JSON pointer `at`; None when it cannot be followed.

    Faults that do not keep it from being followed are only noted.
    """
    if not isinstance(value, dict):
        found.add("descriptor-media-type", subject, f"{show(value)} is not a descriptor", at=at)
        return None
    media_type, size = value.get("mediaType"), value.get("size")
    digest = check_digest(value.get("digest"), subject=subject, at=f"{at}/digest", found=found)
    if not is_media_type(media_type):
        found.add(
            "descriptor-media-type",
            subject,
            f"{show(media_type)} is not a media type",
            at=f"{at}/mediaType",
        )
    sized = isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= _MAX_SIZE
    if not sized:
        found.add(
            "descriptor-size", subject, f"{show(size)} is not a number of bytes", at=f"{at}/size"
        )
    check_annotations(value.get("annotations"), subject=subject, at=at, found=found)
    artifact_type = value.get("artifactType")
    if artifact_type not in (None, "") and not is_media_type(artifact_type):
        found.add(
            "descriptor-artifact-type",
            subject,
            f"{show(artifact_type)} is not a media type",
            at=f"{at}/artifactType",
        )
    _check_urls(value.get("urls"), subject=subject, at=f"{at}/urls", found=found)
    if value.get("platform") is not None:
        check_platform(value["platform"], subject=subject, at=f"{at}/platform", found=found)
    if digest is None or not sized or not isinstance(media_type, str):
        return None
    assert isinstance(size, int)
    _check_data(value, digest, size, subject=subject, at=at, found=found)
    if media_type == media_types.EMPTY and digest != Digest.of(b"{}", digest.algorithm):
        found.add("descriptor-empty", subject, f"{digest} is not the digest of {{}}", at=at)
    return _tolerant(value, media_type, digest, size)


def _tolerant(value: dict[str, Any], media_type: str, digest: Digest, size: int) -> Descriptor:
    """The descriptor without the optional fields that keep it from being read."""
    try:
        return Descriptor.from_json(value, what="")
    except CorruptError:
        return Descriptor(media_type, digest, size)


def _check_data(
    value: dict[str, Any], digest: Digest, size: int, *, subject: str, at: str, found: Findings
) -> None:
    data = value.get("data")
    if data is None:
        return
    try:
        content = base64.b64decode(data if isinstance(data, str) else "*", validate=True)
    except (binascii.Error, ValueError):
        found.add("descriptor-data", subject, "data is not base64", at=f"{at}/data")
        return
    if len(content) != size or Digest.of(content, digest.algorithm) != digest:
        found.add(
            "descriptor-data",
            subject,
            f"data is {len(content)} bytes of another content than {digest}",
            at=f"{at}/data",
        )


def _check_urls(urls: object, *, subject: str, at: str, found: Findings) -> None:
    if urls in (None, []):
        return
    texts = list_of_strings(urls)
    found.add("descriptor-urls", subject, show(urls if texts is None else texts[0]), at=at)


def check_platform(value: object, *, subject: str, at: str, found: Findings) -> Platform | None:
    """The platform of a descriptor or of an image configuration, None when it is not usable.

    `unknown/unknown` is what BuildKit writes for attestations, and passes.
    """
    if not isinstance(value, dict):
        found.add("descriptor-platform", subject, f"{show(value)} is not a platform", at=at)
        return None
    features = value.get("os.features")
    texts = {key: value.get(key, "") for key in ("os", "architecture", "variant", "os.version")}
    bad = [key for key, text in texts.items() if not isinstance(text, str)]
    if features is not None and list_of_strings(features) is None:
        bad.append("os.features")
    for key in bad:
        found.add("descriptor-platform", subject, f"{key} is {show(value[key])}", at=f"{at}/{key}")
    if bad:
        return None
    platform = Platform(
        texts["os"],
        texts["architecture"],
        texts["variant"],
        texts["os.version"],
        tuple(features or ()),
    )
    if not platform.os or not platform.architecture:
        found.add("descriptor-platform", subject, f"{show(value)} lacks a name", at=at)
        return None
    _check_vocabulary(platform, subject=subject, at=at, found=found)
    return platform


def _check_vocabulary(platform: Platform, *, subject: str, at: str, found: Findings) -> None:
    if (platform.os, platform.architecture) == ("unknown", "unknown"):
        return
    unknown = []
    if platform.os not in _OS:
        unknown.append(f"os {show(platform.os)}")
    if platform.architecture not in _ARCHITECTURES:
        unknown.append(f"architecture {show(platform.architecture)}")
    pattern = _VARIANTS.get(platform.architecture)
    if platform.variant and pattern is not None and not pattern.fullmatch(platform.variant):
        unknown.append(f"{platform.architecture} variant {show(platform.variant)}")
    for what in unknown:
        found.add("platform-vocabulary", subject, f"{what} is not known", at=at)


def same_platform(stated: Platform, own: Platform) -> bool:
    """Whether a descriptor's platform fits the one an image states of itself.

    Variants, versions and features may be left out on either side: what both state counts.
    """
    return (
        (stated.os, stated.architecture) == (own.os, own.architecture)
        and (not stated.variant or not own.variant or stated.variant == own.variant)
        and (not stated.os_version or not own.os_version or stated.os_version == own.os_version)
    )
