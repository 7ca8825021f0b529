"""Which stored image fits a requirement, by the rules of requirement S1.3.

Essentials: another os, version, architecture (or, for the image itself, variant) is no match, 0.
The same is 70; with the compiler too it is 100. Extras: +10 for each required package, +20 for
each tool, 10 when the tool is found only as a package. Among images at 100 the most extras win;
if there is none, the best base is named and a build is needed. Equals are decided by the newest
`last_used`, then `usage_count`, then the smaller size, then the name.

What the requirement left open is decided so:

- Variants (asan, cov, x86) are matched exactly, as a set. A base may also have none of them.
- A missing package or tool on an image at 100 means that a build is needed on top of it, unless
  missing ones are allowed.
- The compiler `*` is any compiler; `gcc` without a version is any gcc; no compiler asks for none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lading.store.entry import Entry

__all__ = ["Plan", "Requirement", "Scored", "plan", "score"]

_ESSENTIAL, _COMPLETE = 70, 100
_PACKAGE, _TOOL, _TOOL_AS_PACKAGE = 10, 20, 10
_COMPILER = re.compile(r"([a-z+]+?)[-_ :]?([0-9][0-9.]*)?")


@dataclass(frozen=True, slots=True)
class Requirement:
    """What an image has to have. `os` includes the version; `project` may be empty for any."""

    os: str
    architecture: str
    compiler: str = ""
    packages: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    project: str = ""
    allow_missing: bool = False


@dataclass(frozen=True, slots=True)
class Scored:
    """An image with its score and, in `reasons`, where every point comes from or why there is none.

    `missing` lists what would have to be installed: compiler, packages, tools, variants.
    """

    entry: Entry
    essentials: int
    extras: int
    missing: tuple[str, ...]
    reasons: tuple[str, ...]

    @property
    def score(self) -> int:
        """Essentials and extras together."""
        return self.essentials + self.extras


@dataclass(frozen=True, slots=True)
class Plan:
    """Either the best image, or a base to build on, or neither.

    `considered` holds every image, best first.
    """

    best: Scored | None
    base: Scored | None
    considered: tuple[Scored, ...]

    @property
    def needs_build(self) -> bool:
        """Whether something has to be installed first, on the base if there is one."""
        return self.best is None


def plan(entries: Iterable[Entry], requirement: Requirement) -> Plan:
    """The plan for a requirement; the same for the same entries in any order."""
    scored = _best_first([score(item, requirement) for item in entries])
    usable = [item for item in scored if item.essentials]
    complete = [item for item in usable if item.essentials == _COMPLETE]
    if complete:
        best = complete[0]
        if not best.missing or requirement.allow_missing:
            return Plan(best, None, tuple(scored))
        return Plan(None, best, tuple(scored))
    return Plan(None, usable[0] if usable else None, tuple(scored))


def score(item: Entry, wanted: Requirement) -> Scored:
    """Scores one image; the reasons read as a sentence each."""
    against = [
        f"{what} is {have or 'unknown'}, not {want}"
        for what, have, want in (
            ("project", _project(item, wanted.project), wanted.project),
            ("os", item.os, wanted.os.lower()),
            ("architecture", item.architecture, wanted.architecture),
        )
        if have != want
    ]
    variants = set(wanted.variants) - set(item.variants)
    if set(item.variants) - set(wanted.variants) or (variants and item.variants):
        against.append(f"variants are {_words(item.variants)}, not {_words(wanted.variants)}")
    if against:
        return Scored(item, 0, 0, (), tuple(against))
    missing, reasons = [], ["70: os, version and architecture match"]
    essentials = _ESSENTIAL
    if not _has_compiler(item.compilers, wanted.compiler):
        missing.append(wanted.compiler)
        reasons.append(f"the compiler {wanted.compiler} is missing")
    elif variants:
        missing += sorted(variants)
        reasons.append(f"the variant {_words(sorted(variants))} is missing: only a base")
    else:
        essentials = _COMPLETE
        reasons[0] = "100: os, version, architecture, variant and compiler match"
    extras = 0
    for package in dict.fromkeys(wanted.packages):
        if package in item.packages:
            extras += _PACKAGE
            reasons.append(f"+{_PACKAGE}: package {package}")
        else:
            missing.append(package)
            reasons.append(f"package {package} is missing")
    for tool in dict.fromkeys(wanted.tools):
        if tool in item.tools:
            extras += _TOOL
            reasons.append(f"+{_TOOL}: tool {tool}")
        elif tool in item.packages:
            extras += _TOOL_AS_PACKAGE
            reasons.append(f"+{_TOOL_AS_PACKAGE}: tool {tool}, as a package")
        else:
            missing.append(tool)
            reasons.append(f"tool {tool} is missing")
    return Scored(item, essentials, extras, tuple(dict.fromkeys(missing)), tuple(reasons))


def _has_compiler(have: Sequence[str], wanted: str) -> bool:
    if not wanted:
        return True
    if wanted == "*":
        return bool(have)
    family, version = _compiler(wanted)
    return any(known == family and version in ("", found) for known, found in map(_compiler, have))


def _compiler(text: str) -> tuple[str, str]:
    """Family and version of `gcc14`, `gcc-14` or `gcc:14`; no version for `gcc` and `gcc-*`."""
    match = _COMPILER.fullmatch(text.lower().removesuffix("*").rstrip("-_ :"))
    return (match[1], match[2] or "") if match else (text.lower(), "")


def _project(item: Entry, wanted: str) -> str:
    """Its project; empty where none is wanted: taking 5,000 names apart takes 40 ms."""
    return item.parsed.project if wanted else ""


def _best_first(items: list[Scored]) -> list[Scored]:
    # The last key first: sorting keeps equals as they were.
    items.sort(key=lambda item: (-item.entry.usage_count, item.entry.size_mb, item.entry.name))
    items.sort(key=lambda item: item.entry.last_used_at, reverse=True)
    items.sort(key=lambda item: (-item.essentials, -item.extras))
    return items


def _words(words: Sequence[str]) -> str:
    return "+".join(words) or "none"
