"""What a Dockerfile takes from outside, read without building it.

Only what decides that is understood: parser directives, continued lines, heredocs, `ARG` before
the first `FROM`, stages, `FROM`, `COPY --from`, `RUN --mount=…,from=` and the sources of `ADD`
(Dockerfile reference; BuildKit's parser is what the two builders of lading share). Where a text
could be read in two ways, the one that takes more from outside counts.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from lading.builder.expand import Doubt, Values, expand
from lading.builder.platforms import automatic
from lading.builder.stages import Dockerfile, Instruction, Reference, Stage
from lading.errors import InputError, NotFoundError
from lading.oci.platform import Platform

__all__ = ["Dockerfile", "Instruction", "Reference", "Stage", "parse", "read"]

_BOM = "\ufeff"
_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$")
#: A word as a shell splits them: quotes hold it together.
_WORD = re.compile(r"(?:\"(?:[^\"\\]|\\.)*\"|'[^']*'|\\.|[^\s\"'\\])+\s*")
_HEREDOC = re.compile(r"[0-9]*<<(-?)([^<]+)")
_WITH_HEREDOC = frozenset({"ADD", "COPY", "RUN"})
#: Sources of ADD that BuildKit fetches: addresses and git's short forms.
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|[^/]+@[^/]+:|github\.com/", re.IGNORECASE)
#: How they begin.
_SCHEMES = ("http://", "https://", "git://", "ssh://", "git@", "github.com/")
#: White space to Python and not to the builders: they would find other words.
_SEPARATORS = re.compile(r"[\x1c-\x1f]")
#: What lading gives every build; it has a value once it is declared.
_GIVEN = "SOURCE_DATE_EPOCH"


def read(path: Path) -> str:
    """The text of a Dockerfile; raises NotFoundError or InputError."""
    try:
        # Not read_text, for which a carriage return ends a line: for builders it does not.
        return path.read_bytes().decode()
    except FileNotFoundError:
        raise NotFoundError(f"there is no Dockerfile at {path}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def parse(
    text: str,
    build_args: Mapping[str, str] | None = None,
    *,
    platform: Platform | None = None,
    build_platform: Platform | None = None,
) -> Dockerfile:
    """Reads a Dockerfile.

    Args:
        text: its content.
        build_args: values of `ARG`s, which the names of base images may depend on.
        platform: what is built for; by default what the builder runs on.
        build_platform: what the builder runs on, where that is known. A name that depends on a
            platform that is not known keeps its `$`, and is none that was given or allowed.

    Raises:
        InputError: no `FROM`, an instruction before it, or one that cannot be read; names the line.
    """
    text = text.removeprefix(_BOM)
    if strange := _SEPARATORS.search(text):
        line = text.count("\n", 0, strange.start()) + 1
        raise InputError(f"Dockerfile, line {line}: the character {strange[0]!r} cannot be read")
    lines = text.split("\n")
    syntax, syntax_line, escape, escape_line = _directives(lines)
    given = build_args or {}
    variables = automatic(platform or build_platform, build_platform)
    # BuildKit takes a build argument for them even when no ARG declares it; not every builder does.
    variables |= {name: Doubt.VALUE for name in variables if name in given}
    stages: list[Stage] = []
    current: list[Instruction] = []
    base: Reference | None = None
    name, start = "", 0

    def finish() -> None:
        if base is not None:
            references = tuple(item for one in current for item in _references(one, escape))
            stages.append(Stage(name, base, references, tuple(current), start))

    for instruction in _instructions(lines, escape):
        if instruction.keyword == "FROM":
            finish()
            base, name, start = *_from(instruction, variables, escape), instruction.line
            current = []
        elif base is not None:
            current.append(instruction)
        elif instruction.keyword == "ARG":
            _declare(instruction, variables, given, escape)
        else:
            raise InputError(
                f"Dockerfile, line {instruction.line}: {instruction.keyword:.40} stands before"
                " the first FROM",
                fix="only ARG may",
            )
    finish()
    if not stages:
        raise InputError("the Dockerfile has no FROM", fix="begin it with FROM and an image")
    return Dockerfile(syntax, syntax_line, escape, escape_line, tuple(stages))


def _directives(lines: Sequence[str]) -> tuple[str, int, str, int]:
    """(syntax, its line, escape, its line) from the comments at the top; a line 0 is none."""
    found: dict[str, tuple[str, int]] = {}
    first = 1 if lines[0].startswith("#!") else 0
    for number in range(first, len(lines)):
        match = _DIRECTIVE.match(lines[number].rstrip("\r"))
        if match is None:
            break
        key, line = match[1].lower(), number + 1
        if key in found:
            raise InputError(f"Dockerfile, line {line}: {key:.40} is given twice")
        found[key] = match[2], line
    syntax, syntax_line = found.get("syntax", ("", 0))
    escape, escape_line = found.get("escape", ("\\", 0))
    if escape not in ("\\", "`") or (escape_line and first):
        raise InputError(
            f"Dockerfile, line {escape_line}: the directive escape={escape:.40} cannot be read",
            fix="the escape character is \\ or `, and no line with #! stands above it",
        )
    return syntax.split(" ")[0], syntax_line, escape, escape_line


def _instructions(lines: Sequence[str], escape: str) -> list[Instruction]:
    continued = re.compile(rf"(?:^|[^{re.escape(escape)}]){re.escape(escape)}[ \t]*$")
    result: list[Instruction] = []
    number = 0
    while number < len(lines):
        text = lines[number].rstrip("\r")
        start = number + 1
        number += 1
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        text = text.lstrip()
        while continued.search(text) and number < len(lines):
            following = lines[number].rstrip("\r")
            number += 1
            if not following.strip() or following.lstrip().startswith("#"):
                continue
            text = text.rstrip(" \t")[:-1] + following
        if continued.search(text):
            text = text.rstrip(" \t")[:-1]
        if not text.strip():
            continue
        keyword, flags, rest = _split(text, escape)
        heredocs, number = _heredocs(keyword, rest, lines, number, start)
        result.append(Instruction(keyword, flags, rest, start, heredocs))
    return result


def _split(text: str, escape: str) -> tuple[str, tuple[tuple[str, str], ...], str]:
    """(keyword, flags, the rest) of one instruction."""
    words = text.strip().split(None, 1)
    rest = words[1] if len(words) > 1 else ""
    flags = []
    while rest.startswith("--"):
        flag, rest = _first_word(rest, escape)
        rest = rest.lstrip()
        if flag == "--":
            break
        name, _, value = flag[2:].partition("=")
        flags.append((name.lower(), value))
    return words[0].upper(), tuple(flags), rest


def _first_word(text: str, escape: str) -> tuple[str, str]:
    """The first word without its quotes and escapes, which may be anywhere in it, and the rest."""
    word, quote, place = "", "", 0
    while place < len(text):
        character = text[place]
        if not quote and character.isspace():
            break
        if character == quote:
            quote = ""
        elif not quote and character in "\"'":
            quote = character
        elif character == escape:
            place += 1
            word += text[place : place + 1]
        else:
            word += character
        place += 1
    return word, text[place:]


def _heredocs(
    keyword: str, rest: str, lines: Sequence[str], number: int, start: int
) -> tuple[tuple[str, ...], int]:
    """The bodies of the heredocs that an instruction opens, and the line after them."""
    inner = rest.split(None, 1)[0].upper() if keyword == "ONBUILD" and rest else keyword
    if inner not in _WITH_HEREDOC:
        return (), number
    bodies = []
    for word in _shell_words(rest):
        match = _HEREDOC.fullmatch(word)
        if match is None:
            continue
        end = re.sub(r"[\"'\\]", "", match[2])
        body = []
        while number < len(lines):
            line = lines[number].rstrip("\r")
            number += 1
            if (line.lstrip("\t") if match[1] else line) == end:
                break
            body.append(line)
        else:
            raise InputError(f"Dockerfile, line {start}: the heredoc {end!r:.40} has no end")
        bodies.append("\n".join(body))
    return tuple(bodies), number


def _shell_words(rest: str) -> list[str]:
    """The words of a line, quotes and all; none where a quote has no end, as in BuildKit."""
    words, place = [], len(rest) - len(rest.lstrip())
    while place < len(rest):
        match = _WORD.match(rest, place)
        if match is None:
            return []
        words.append(match[0].rstrip())
        place = match.end()
    return words


def _from(instruction: Instruction, variables: Values, escape: str) -> tuple[Reference, str]:
    words = instruction.rest.split()
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
        raise InputError(
            f"Dockerfile, line {instruction.line}: FROM {instruction.rest:.80} cannot be read",
            fix="write FROM [--platform=OS/ARCH] IMAGE [AS NAME]",
        )
    image = expand(words[0], variables, escape).strip("\"'")
    if not image:
        raise InputError(
            f"Dockerfile, line {instruction.line}: FROM {words[0]:.80} names no image: a variable"
            " in it has no value",
            fix="give it a default with ARG before the first FROM, or set it in build_args",
        )
    platform = dict(instruction.flags).get("platform", "")
    reference = Reference(image, words[0], instruction.line, "FROM", platform)
    return reference, words[2].lower() if len(words) == 3 else ""


def _declare(
    instruction: Instruction,
    variables: dict[str, str | Doubt],
    given: Mapping[str, str],
    escape: str,
) -> None:
    for word in _shell_words(instruction.rest):
        name, has_default, default = word.partition("=")
        if name in given:
            variables[name] = given[name]
        elif name == _GIVEN:
            variables[name] = Doubt.VALUE
        elif has_default:
            value = expand(default, variables, escape).strip("\"'")
            variables[name] = Doubt.VALUE if "$" in value else value
        elif name in variables:
            variables[name] = Doubt.VALUE  # whether it keeps its value depends on the builder


def _references(instruction: Instruction, escape: str) -> list[Reference]:
    keyword, flags, rest = instruction.keyword, instruction.flags, instruction.rest
    if keyword == "ONBUILD" and rest:
        keyword, flags, rest = _split(rest, escape)
    found = []
    if keyword == "COPY":
        found += [(value, "COPY --from") for name, value in flags if name == "from"]
    elif keyword == "RUN":
        for name, value in flags:
            if name == "mount":
                found += [(source, "RUN --mount") for source in _mounted(value)]
    elif keyword == "ADD" and not any(name == "checksum" and _is_fixed(v) for name, v in flags):
        found += [(word, "ADD") for word in _words(rest)[:-1] if _may_be_remote(word, escape)]
    return [Reference(name, name, instruction.line, how) for name, how in found]


def _mounted(options: str) -> list[str]:
    """What `from` says among the options of a mount, which are a line of CSV."""
    try:
        fields = next(csv.reader([options]), [])
    except csv.Error:
        fields = options.split(",")
    pairs = (field.partition("=") for field in fields)
    return [value for name, _, value in pairs if name.lower() == "from" and value]


def _is_fixed(checksum: str) -> bool:
    return bool(checksum) and "$" not in checksum


def _may_be_remote(source: str, escape: str) -> bool:
    """Whether a builder may fetch a source of ADD, once it has replaced variables and quotes."""
    plain = re.sub(rf"[\"']|{re.escape(escape)}(?=.)", "", source)
    start, variable, _ = plain.partition("$")
    return bool(_REMOTE.match(plain)) or (
        bool(variable)
        and ("://" in plain or any(scheme.startswith(start.lower()) for scheme in _SCHEMES))
    )


def _words(rest: str) -> list[str]:
    if rest.startswith("["):
        try:
            value = json.loads(rest)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, list):
            return [str(item) for item in value]
    return [word.strip("\"'") for word in rest.split()]
