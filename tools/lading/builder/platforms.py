"""The variables that a builder sets before the first stage: automatic platform ARGs.

Dockerfile reference, "Automatic platform ARGs in the global scope".
"""

from __future__ import annotations

from lading.builder.expand import Doubt
from lading.oci.platform import Platform

__all__ = ["automatic"]

#: Other names of platforms, for which builders put the one that Go has.
_ALIASES = frozenset({"aarch64", "armel", "armhf", "i386", "macos", "x86-64", "x86_64"})
#: Variants that every builder leaves as they are; others it may add, drop or spell anew.
_VARIANTS = {"arm": ("v5", "v6", "v7"), "amd64": ("", "v2", "v3", "v4")}
#: Set by some versions of BuildKit; nothing here depends on their values.
_OTHERS = ("BUILDOSVERSION", "TARGETOSVERSION", "TARGETSTAGE")


def automatic(target: Platform | None, build: Platform | None) -> dict[str, str | Doubt]:
    """Values of the `TARGET…` and `BUILD…` variables.

    Args:
        target: what is built for; None when that is not known.
        build: what the builder runs on; None when that is not known.
    """
    values: dict[str, str | Doubt] = dict.fromkeys(_OTHERS, Doubt.VALUE)
    for prefix, platform in (("TARGET", target), ("BUILD", build)):
        for name, value in _of(platform).items():
            values[prefix + name] = value
    return values


def _of(platform: Platform | None) -> dict[str, str | Doubt]:
    values: dict[str, str | Doubt] = dict.fromkeys(
        ("PLATFORM", "OS", "ARCH", "VARIANT"), Doubt.VALUE
    )
    if platform is None or not {platform.os, platform.architecture}.isdisjoint({*_ALIASES, ""}):
        return values
    values["OS"], values["ARCH"] = platform.os, platform.architecture
    if platform.variant in _VARIANTS.get(platform.architecture, ("",)):
        # Some versions set an empty variable, others none.
        values["VARIANT"] = platform.variant or Doubt.SET
        if not platform.os_version:
            values["PLATFORM"] = str(platform)
    return values
