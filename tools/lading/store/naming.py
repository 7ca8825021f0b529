"""Names of stored images: `<project>-<os>-<version>-<variant>` (requirement S1.6).

docs/naming.md explains the grammar with examples; rules/private/store_names.bzl is the same
grammar for macros, and tests/unit/store/test_names_agree.py runs both on the same names.

    name    = project "-" os "-" version "-" variant
    project = word ("-" word)*
    os      = word
    version = digits ("." digits)*          the only part that starts with a digit
    variant = "base" | word ("-" word)*     compilers first, then the rest; each sorted, none twice
    word    = letter (letter | digit)*      lowercase
    compiler = ("gcc" | "clang" | …) digits ("." digits)*

Exactly one component starts with a digit, so a name is read in one way only. Because of the
order, a set of variants has one name only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lading.errors import InputError

__all__ = ["BASE", "Name", "compose", "is_compiler", "normalize", "parse"]

#: Longest name, in characters: it is a file name and a repository with room for `:tag`.
_MAX_NAME = 128
#: The variant of an image that has no compiler and nothing special.
BASE = "base"
#: Compilers that a name knows from other words by the version that follows.
_FAMILIES = ("clang", "dmd", "gcc", "gdc", "ghc", "go", "icx", "ldc", "nvcc", "rust")

_WORD = r"[a-z][a-z0-9]*"
_COMPILER = re.compile(rf"({'|'.join(_FAMILIES)})([0-9]+(?:\.[0-9]+)*)")
_NAME = re.compile(
    rf"(?P<project>{_WORD}(?:-{_WORD})*)-(?P<os>{_WORD})-(?P<version>[0-9]+(?:\.[0-9]+)*)"
    rf"-(?P<variant>{_WORD}(?:\.[0-9]+)*(?:-{_WORD}(?:\.[0-9]+)*)*)"
)
_PATTERN = "<project>-<os>-<version>-<variant>, such as capy-ubuntu-24.04-gcc14 (docs/naming.md)"


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """A valid name and its parts. `os` includes the version: `ubuntu-24.04`."""

    text: str
    project: str
    os: str
    compilers: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text


def parse(text: str) -> Name:
    """Reads a name.

    Raises:
        InputError: it is not one; the fix is the nearest name that is, when there is one.
    """
    reason = _fault(text)
    if reason:
        try:
            suggestion = f"did you mean {normalize(text)}?"
        except InputError:
            suggestion = f"a name is {_PATTERN}"
        raise InputError(f"{text!r:.160} is not the name of an image: {reason}", fix=suggestion)
    return _read(text)


def compose(
    project: str, os: str, compilers: Iterable[str] = (), variants: Iterable[str] = ()
) -> Name:
    """The name of the image of `project` on `os` with these compilers and variants.

    Raises InputError when a part does not fit the grammar.
    """
    words = [*sorted(set(compilers), key=_order), *sorted(set(variants))]
    return parse("-".join([project, os, *(words or [BASE])]))


def normalize(text: str) -> str:
    """The nearest valid name.

    Letters become lowercase, other separators become hyphens, a compiler and its version are
    joined, an os and its version parted, words put in order, and a missing variant is `base`.

    Raises:
        InputError: there is no project, os or version to be found in it.
    """
    if not _fault(text):
        return text
    words = [word for word in re.split(r"[^a-z0-9.]+", text.strip().lower()) if word.strip(".")]
    if words and words[-1] == "tar":
        words.pop()
    words = _join([re.sub(r"\.+", ".", word).strip(".") for word in _split(words)])
    versions = [place for place, word in enumerate(words) if word[:1].isdigit()]
    if len(versions) != 1 or versions[0] < 2:
        raise InputError(f"{text!r:.160} has no nearest name", fix=f"a name is {_PATTERN}")
    place = versions[0]
    rest = [word.replace(".", "") if not is_compiler(word) else word for word in words[place + 1 :]]
    rest = [word for word in dict.fromkeys(rest) if word != BASE] or [BASE]
    head = [word.replace(".", "") for word in words[:place]]
    name = "-".join([*head, words[place], *sorted(rest, key=_order)])
    if _fault(name):
        raise InputError(f"{text!r:.160} has no nearest name", fix=f"a name is {_PATTERN}")
    return name


def is_compiler(word: str) -> bool:
    """Whether a word of a variant names a compiler and its version: `gcc14`, `clang20`."""
    return _COMPILER.fullmatch(word) is not None


def _fault(text: str) -> str:
    """What is wrong with a name, empty when it is a valid one."""
    if not text:
        return "it is empty"
    if len(text) > _MAX_NAME:
        return f"it is longer than {_MAX_NAME} characters"
    if bad := re.search(r"[^a-z0-9.-]", text):
        return f"it has the character {bad[0]!r}"
    match = _NAME.fullmatch(text)
    if match is None:
        return "it does not have the four parts project, os, version and variant"
    words = match["variant"].split("-")
    if dotted := [word for word in words if "." in word and not is_compiler(word)]:
        return f"{dotted[0]!r} has a dot and is no compiler"
    if len(set(words)) != len(words):
        return "it has a word twice in its variant"
    if BASE in words and len(words) > 1:
        return f"{BASE!r} stands with other words"
    if words != sorted(words, key=_order):
        return "compilers come first in a variant, and words are sorted"
    return ""


def _read(text: str) -> Name:
    match = _NAME.fullmatch(text)
    assert match is not None
    words = [word for word in match["variant"].split("-") if word != BASE]
    return Name(
        text,
        match["project"],
        f"{match['os']}-{match['version']}",
        tuple(word for word in words if is_compiler(word)),
        tuple(word for word in words if not is_compiler(word)),
    )


def _order(word: str) -> tuple[bool, str]:
    return not is_compiler(word), word


def _split(words: list[str]) -> list[str]:
    """Parts an os from its version where they were written together: `ubuntu24.04`."""
    known = r"(alpine|amazonlinux|arch|centos|debian|fedora|opensuse|rhel|rocky|ubuntu)"
    parted: list[str] = []
    for word in words:
        match = re.fullmatch(known + r"([0-9][0-9.]*)", word)
        parted += [match[1], match[2]] if match else [word]
    return parted


def _join(words: list[str]) -> list[str]:
    """Joins a compiler and the version after it: `gcc`, `14` is `gcc14`."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in _FAMILIES and word[:1].isdigit():
            joined[-1] += word
        else:
            joined.append(word)
    return joined
