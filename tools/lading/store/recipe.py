"""What to install for a requirement, and what the image is then called (S1.4, S1.6). No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lading.errors import ConflictError, InputError, UsageError
from lading.store import naming
from lading.store.entry import Entry
from lading.store.match import Plan, Requirement
from lading.store.naming import Name

__all__ = ["Recipe", "recipe"]

_COMPILER = re.compile(r"(gcc|clang)(?:[-_ :]?([0-9]+))?")
#: The major version of gcc and clang that a release has by default.
_DEFAULTS = {
    "debian-12": {"gcc": "12", "clang": "14"},
    "debian-13": {"gcc": "14", "clang": "19"},
    "ubuntu-22.04": {"gcc": "11", "clang": "14"},
    "ubuntu-24.04": {"gcc": "13", "clang": "18"},
    "ubuntu-25.04": {"gcc": "14", "clang": "20"},
}
#: Tools whose package is called otherwise.
_TOOL_PACKAGES = {"ninja": "ninja-build", "python": "python3", "pkgconf": "pkgconf-bin"}
#: What a variant needs with a compiler of each family; `{}` is its version. The sanitizers and
#: gcov of gcc come with its own library package.
_VARIANTS: dict[str, dict[str, tuple[str, ...]]] = {
    "asan": {"gcc": (), "clang": ("libclang-rt-{}-dev",)},
    "tsan": {"gcc": (), "clang": ("libclang-rt-{}-dev",)},
    "ubsan": {"gcc": (), "clang": ("libclang-rt-{}-dev",)},
    "cov": {"gcc": (), "clang": ("libclang-rt-{}-dev", "llvm-{}")},
    "x86": {"gcc": ("gcc-{}-multilib", "g++-{}-multilib"), "clang": ("libc6-dev-i386",)},
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """An image to make: its name, what to install, and what the catalog says about it then.

    `links` are (path, target) of symbolic links that make a compiler the one called `gcc`.
    """

    name: Name
    architecture: str
    install: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    compilers: tuple[str, ...]
    packages: tuple[str, ...]
    tools: tuple[str, ...]


def recipe(found: Plan, wanted: Requirement) -> Recipe:
    """What to make so that `wanted` matches at 100, on the plan's base or from nothing.

    Raises:
        UsageError: nothing to build on, and no project to name the image after.
        InputError: a compiler or variant that nothing is known about.
        ConflictError: the name belongs to an image for another architecture.
    """
    base = found.base.entry if found.base else None
    project = wanted.project or (base.parsed.project if base else "")
    if not project:
        raise UsageError("the new image has no project", fix="name it: --project=capy")
    family, version = _compiler(wanted)
    install: list[str] = []
    compilers = list(base.compilers) if base else []
    named = [compiler for compiler in compilers if naming.is_compiler(compiler)]
    links: list[tuple[str, str]] = []
    if family:
        named = [family + version]
        if found.base is None or wanted.compiler in found.base.missing:
            install += _packages_of(family, version)
            links = _links(family, version)
        compilers = sorted({*compilers, *named})
    for variant in wanted.variants:
        install += _packages_of_variant(variant, family, version)
    tools = [_TOOL_PACKAGES.get(tool, tool) for tool in wanted.tools]
    missing = set(found.base.missing) if found.base else {*wanted.packages, *wanted.tools}
    install += [package for package in wanted.packages if package in missing]
    install += [
        package for tool, package in zip(wanted.tools, tools, strict=True) if tool in missing
    ]
    name = _name(found, base, project, wanted, named)
    for item in (one.entry for one in found.considered):
        if item.name == name.text and item.architecture != wanted.architecture:
            raise ConflictError(
                f"{name} is an image for {item.architecture}, not {wanted.architecture}",
                fix="keep architectures in stores of their own (--store), or projects of their own",
            )
    return Recipe(
        name,
        wanted.architecture,
        tuple(dict.fromkeys(install)),
        tuple(links),
        tuple(compilers),
        tuple(sorted({*(base.packages if base else ()), *install, *wanted.packages})),
        tuple(sorted({*(base.tools if base else ()), *wanted.tools})),
    )


def _name(
    found: Plan, base: Entry | None, project: str, wanted: Requirement, named: list[str]
) -> Name:
    """That of the base where only packages are missing: it is replaced by what has more."""
    if base is not None and found.base is not None and found.base.essentials == 100:
        return base.parsed
    return naming.compose(project, wanted.os.lower(), named, wanted.variants)


def _compiler(wanted: Requirement) -> tuple[str, str]:
    """Family and major version, both empty for none."""
    if not wanted.compiler:
        return "", ""
    text = wanted.compiler.lower()
    text = "gcc" if text == "*" else text.removesuffix("*").rstrip("-_ :")
    match = _COMPILER.fullmatch(text)
    if match is None:
        raise InputError(
            f"nothing is known about installing the compiler {wanted.compiler!r:.60}",
            fix="name gcc or clang with a major version (gcc14), or a package with --package",
        )
    version = match[2] or _DEFAULTS.get(wanted.os.lower(), {}).get(match[1])
    if not version:
        raise InputError(
            f"the version that {match[1]} has on {wanted.os} is not known",
            fix=f"name it: --compiler={match[1]}14",
        )
    return match[1], version


def _packages_of(family: str, version: str) -> list[str]:
    if family == "gcc":
        return [f"gcc-{version}", f"g++-{version}", "libc6-dev"]
    return [f"clang-{version}", "libc6-dev"]


def _links(family: str, version: str) -> list[tuple[str, str]]:
    if family == "gcc":
        pairs = {"gcc": "gcc", "g++": "g++", "cc": "gcc", "c++": "g++", "gcov": "gcov"}
    else:
        pairs = {"clang": "clang", "clang++": "clang++"}
    return [(f"/usr/bin/{name}", f"{target}-{version}") for name, target in pairs.items()]


def _packages_of_variant(variant: str, family: str, version: str) -> list[str]:
    known = _VARIANTS.get(variant)
    if known is None:
        raise InputError(
            f"nothing is known about installing the variant {variant!r:.60}",
            fix=f"known are {', '.join(_VARIANTS)}; save an image with that name instead",
        )
    return [package.format(version) for package in known.get(family, ())]
