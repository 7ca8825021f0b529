"""Platforms an image runs on (image-spec 1.1, image-index.md, "platform")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lading.errors import CorruptError, InputError
from lading.record import record

__all__ = ["MACHINES", "Platform"]

#: GOARCH by what the kernel calls a machine (`uname -m`).
MACHINES = {
    "aarch64": "arm64",
    "armv7l": "arm",
    "i386": "386",
    "i686": "386",
    "ppc64le": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
    "x86_64": "amd64",
}

_WORD = re.compile(r"[a-z0-9][a-z0-9_.-]*")


@record
class Platform:
    """GOOS and GOARCH with the CPU variant, as in `linux/arm64/v8`."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()

    @staticmethod
    def parse(text: str) -> Platform:
        """Reads `os/architecture[/variant]`; raises InputError."""
        words = text.split("/")
        if len(words) not in (2, 3) or not all(_WORD.fullmatch(word) for word in words):
            raise InputError(
                f"{text!r} is not a platform", fix="write os/architecture[/variant]: linux/amd64"
            )
        return Platform(words[0], words[1], "".join(words[2:]))

    @staticmethod
    def from_json(value: Mapping[str, Any], *, what: str = "platform") -> Platform:
        """Reads a descriptor's `platform` or an image config's own fields; raises CorruptError."""
        os, architecture, variant, version = (
            value.get(key, "") for key in ("os", "architecture", "variant", "os.version")
        )
        listed = value.get("os.features") or []
        features: list[Any] = listed if isinstance(listed, list) else [None]
        texts = (os, architecture, variant, version, *features)
        if not all(isinstance(text, str) for text in texts):
            raise CorruptError(f"{what} has a field that is not a string")
        return Platform(os, architecture, variant, version, tuple(features))

    def to_json(self) -> dict[str, Any]:
        """The `platform` object of a descriptor; empty fields are left out."""
        value: dict[str, Any] = {"architecture": self.architecture, "os": self.os}
        if self.os_version:
            value["os.version"] = self.os_version
        if self.os_features:
            value["os.features"] = list(self.os_features)
        if self.variant:
            value["variant"] = self.variant
        return value

    def __str__(self) -> str:
        return "/".join(word for word in (self.os, self.architecture, self.variant) if word)
