"""Templates as BUILD files write them: the part of Go's text/template that rules_img documents.

`{{.NAME}}`, `{{.base.config.os}}`, `{{$PATH}}`, `{{if …}}…{{else if …}}…{{else}}…{{end}}`,
comments, `{{-` and `-}}`, pipelines, parentheses, strings, numbers, and the functions of
`template_functions`. There are no loops and no definitions: a value is one line of text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from lading.errors import InputError
from lading.oci.template_functions import FUNCTIONS, ON_MISSING, Missing, text_of

__all__ = ["render"]

_ACTION = re.compile(
    r"\{\{(?:-(?=\s))?((?:\"(?:\\.|[^\"\\])*\"|`[^`]*`|[^\"`])*?)(?:(?<=\s)-)?\}\}"
)
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"(?:\\.|[^"\\])*"|`[^`]*`)
    | (?P<field>(?:\.[A-Za-z_][A-Za-z0-9_-]*)+)
    | (?P<variable>\$[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>-?[0-9]+)
    | (?P<word>[A-Za-z][A-Za-z0-9_]*)
    | (?P<mark>[()|])
    )""",
    re.VERBOSE,
)

_STATUS_KEYS = ("BUILD_", "STABLE_")


class _Token(NamedTuple):
    kind: str
    text: str


_CLOSE, _PIPE = _Token("mark", ")"), _Token("mark", "|")


def render(template: str, variables: Mapping[str, Any], *, what: str) -> str:
    """Fills in a template.

    Args:
        template: the text as the user wrote it.
        variables: names of `.NAME`; a value may be a map, reached by `.NAME.key`. The map under
            `$` holds the names of `$NAME`.
        what: names the value in an error.

    Raises:
        InputError: not a template, or a variable or function that is not there.
    """
    try:
        return "".join(_render(list(_split(template)), variables))
    except _TemplateError as error:
        raise InputError(f"{what}: {template!r:.160}: {error}", fix=error.fix) from None
    except RecursionError:
        raise InputError(f"{what}: the template is nested too deep") from None


class _TemplateError(Exception):
    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.fix = fix


class _Piece(NamedTuple):
    is_action: bool
    text: str


def _split(template: str) -> Iterator[_Piece]:
    """Text and actions in turn, with the blanks that trim markers remove already gone."""
    position, trim = 0, False
    while (start := template.find("{{", position)) >= 0:
        match = _ACTION.match(template, start)
        if match is None:
            raise _TemplateError("'{{' without '}}'", 'write {{"{{"}} for two braces')
        text = template[position:start]
        text = text.lstrip() if trim else text
        yield _Piece(False, text.rstrip() if match[0][2] == "-" and match[0][3].isspace() else text)
        action = match[1].strip()
        if not (action.startswith("/*") and action.endswith("*/")):
            yield _Piece(True, action)
        position, trim = match.end(), match[0].endswith("-}}") and match[0][-4:-3].isspace()
    yield _Piece(False, template[position:].lstrip() if trim else template[position:])


def _render(pieces: list[_Piece], variables: Mapping[str, Any]) -> Iterator[str]:
    # Each open `if` is [a branch was taken, this branch is the one, an else was seen].
    open_ifs: list[list[bool]] = []
    for piece in pieces:
        live = all(taking for _, taking, _ in open_ifs)
        if not piece.is_action:
            if live:
                yield piece.text
            continue
        word, _, rest = piece.text.partition(" ")
        if word == "if":
            taking = live and bool(_pipeline(rest, variables))
            open_ifs.append([taking, taking, False])
        elif word in ("else", "end") and not open_ifs:
            raise _TemplateError(f"{{{{{word}}}}} without {{{{if}}}}")
        elif word == "else":
            if open_ifs[-1][2]:
                raise _TemplateError("{{else}} after {{else}}")
            outer = all(taking for _, taking, _ in open_ifs[:-1])
            taken = open_ifs[-1][0]
            condition = rest.strip()
            if condition and not condition.startswith("if "):
                raise _TemplateError(f"{{{{else {condition}}}}} is not {{{{else if …}}}}")
            taking = outer and not taken
            if taking and condition:
                taking = bool(_pipeline(condition[3:], variables))
            open_ifs[-1] = [taken or taking, taking, not condition]
        elif word == "end":
            open_ifs.pop()
        elif word in ("range", "with", "define", "template", "block", "break", "continue"):
            raise _TemplateError(f"{{{{{word}}}}} is not supported", "there are values and {{if}}")
        elif live:
            yield _text(_pipeline(piece.text, variables), variables)
    if open_ifs:
        raise _TemplateError("{{if}} without {{end}}")


def _pipeline(text: str, variables: Mapping[str, Any]) -> Any:
    tokens = _tokens(text)
    value = _parse_pipeline(tokens, variables)
    if tokens:
        raise _TemplateError(f"{tokens[0].text!r} is out of place")
    return value


def _tokens(text: str) -> list[_Token]:
    tokens, position = [], 0
    text = text.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise _TemplateError(f"{text[position:].strip()!r} is not understood")
        tokens.append(_Token(match.lastgroup, match[match.lastgroup]))
        position = match.end()
    if not tokens:
        raise _TemplateError("{{}} is empty")
    return tokens


def _parse_pipeline(tokens: list[_Token], variables: Mapping[str, Any]) -> Any:
    """A command, or several joined by `|`: each result is the last argument of the next."""
    piped: list[Any] = []
    while True:
        function: str | None = None
        if tokens and tokens[0].kind == "word" and tokens[0].text in FUNCTIONS:
            function = tokens.pop(0).text
        values = []
        while tokens and tokens[0] not in (_PIPE, _CLOSE):
            values.append(_operand(tokens, variables))
        values += piped
        if function is not None:
            value = _call(function, values, variables)
        elif len(values) == 1 and not piped:
            value = values[0]
        else:
            raise _TemplateError("a pipeline is one value, or a function and its arguments")
        if not tokens or tokens[0] != _PIPE:
            return value
        tokens.pop(0)
        piped = [value]


def _operand(tokens: list[_Token], variables: Mapping[str, Any]) -> Any:
    token = tokens.pop(0)
    if token.kind == "string":
        return _string(token.text)
    if token.kind == "number":
        return int(token.text)
    if token.kind == "field":
        return _field(token.text, variables)
    if token.kind == "variable":
        environment = variables.get("$", {})
        return environment.get(token.text[1:], Missing(token.text))
    if token.text == "(":
        value = _parse_pipeline(tokens, variables)
        if not tokens or tokens.pop(0) != _CLOSE:
            raise _TemplateError("'(' without ')'")
        return value
    if token.text in ("true", "false"):
        return token.text == "true"
    raise _TemplateError(
        f"there is no function {token.text!r}", f"there are {', '.join(sorted(FUNCTIONS))}"
    )


def _string(text: str) -> str:
    if text.startswith("`"):
        return text[1:-1]
    try:
        return str(json.loads(text, strict=False))
    except ValueError:
        raise _TemplateError(f"{text} is not a string") from None


def _field(path: str, variables: Mapping[str, Any]) -> Any:
    value: Any = variables
    for name in path[1:].split("."):
        if not isinstance(value, Mapping) or name not in value:
            return Missing(path)
        value = value[name]
    return value


def _call(name: str, values: list[Any], variables: Mapping[str, Any]) -> Any:
    minimum, maximum, function = FUNCTIONS[name]
    if not minimum <= len(values) <= maximum:
        raise _TemplateError(f"{name} does not take {len(values)} arguments")
    if name not in ON_MISSING:
        for value in values:
            _refuse_missing(value, variables)
    try:
        return function(*values)
    except (AttributeError, LookupError, TypeError, ValueError):
        raise _TemplateError(f"{name} cannot be used on {', '.join(map(repr, values))}") from None


def _text(value: Any, variables: Mapping[str, Any]) -> str:
    _refuse_missing(value, variables)
    if not isinstance(value, (str, int)):
        raise _TemplateError(f"a {type(value).__name__} is no text")
    return text_of(value)


def _refuse_missing(value: Any, variables: Mapping[str, Any]) -> None:
    if not isinstance(value, Missing):
        return
    if value.name.startswith("$"):
        known = [f"${name}" for name in sorted(variables.get("$", {}))]
    else:
        known = [f".{name}" for name in sorted(variables) if name != "$"]
    there_are = f"there are {', '.join(known)}" if known else "there are no build_settings"
    if value.name.startswith("$") or "." in value.name[1:]:
        fix = there_are
    elif not any(name.startswith(_STATUS_KEYS) for name in variables):
        # Bazel writes BUILD_ keys into every status: none here means that it was not read.
        fix = (
            'keys of the workspace status need stamp = "force" (tags of image(): stamp_tags), '
            f"or Bazel's --stamp; {there_are}"
        )
    elif value.name.startswith(".STABLE_"):
        fix = f"have --workspace_status_command print {value.name[1:]}; {there_are}"
    else:
        fix = there_are
    raise _TemplateError(f"{value.name} is unknown", fix)
