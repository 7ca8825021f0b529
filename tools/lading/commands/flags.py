"""Flags of commands: absl's, without absl where there is nothing for it to do.

To import absl takes longer than to push an image that is unchanged. So definitions are kept, and
words of the forms `--name=value`, `--name value` and `--name` that leave no doubt are read here.
All else is absl's: numbers, choices, abbreviations, and whatever is wrong.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lading.errors import UsageError

if TYPE_CHECKING:
    from absl import flags as absl_flags

__all__ = [
    "FlagValues",
    "define_bool",
    "define_enum",
    "define_float",
    "define_integer",
    "define_multi_enum",
    "define_multi_string",
    "define_string",
]


class FlagValues:
    """A command's flags: what is defined on it, and after `parse` what was given, as attributes."""

    def __init__(self) -> None:
        self._defined: dict[str, tuple[str, dict[str, Any]]] = {}
        self._given: dict[str, Any] = {}
        self._hidden: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._defined:
            raise AttributeError(f"no flag --{name} is defined")
        return self._given.get(name, self._defined[name][1]["default"])

    def define(self, kind: str, name: str, default: object, text: str, **more: object) -> None:
        """Adds the flag that absl's function `DEFINE_<kind>` describes."""
        self._defined[name] = (kind, {"default": default, "help": text, **more})

    def hide(self, *names: str) -> None:
        """Leaves flags out of the help: rules write them into command lines, nobody types them."""
        self._hidden |= set(names)

    def put(self, name: str, value: object) -> None:
        """Sets a value, as if it had been given."""
        self._given[name] = value

    def parse(self, words: Sequence[str]) -> list[str]:
        """Reads flags; returns the other words.

        Raises UsageError for an unknown flag, or a value that a flag does not take.
        """
        self._check_values(words)
        rest = self._plain(words)
        return self._by_absl(words) if rest is None else rest

    def get_help(self) -> str:
        """The flags that people set, with their descriptions."""
        from lading.commands.usage import flags_help

        return flags_help(
            {name: flag for name, flag in self._defined.items() if name not in self._hidden}
        )

    def _check_values(self, words: Sequence[str]) -> None:
        """Refuses `--store --tag=v1`: a value was forgotten, or a variable of the shell is empty.

        absl would have the store called like that, and no tag.
        """
        for word, after in itertools.pairwise(words):
            if word == "--":
                return
            kind = self._defined[word[2:]][0] if word[2:] in self._defined else "bool"
            name = after[2:].partition("=")[0]
            if not word.startswith("--") or kind == "bool" or not after.startswith("--"):
                continue
            if name in self._defined or name.removeprefix("no") in self._defined:
                raise UsageError(
                    f"{word} has no value: {after:.80} comes next",
                    fix=f"if that is meant to be its value, write {word}={after:.80}",
                )

    def _plain(self, words: Sequence[str]) -> list[str] | None:
        """Reads plain flags, and returns what is none; None if absl has to read."""
        given: dict[str, Any] = {}
        rest: list[str] = []
        left = iter(words)
        for word in left:
            if not word.startswith("-"):
                rest.append(word)
                continue
            name, equals, value = word[2:].partition("=")
            kind = self._defined[name][0] if name in self._defined else ""
            if not word.startswith("--"):
                return None
            if kind in ("string", "multi_string"):
                if not equals:
                    value = next(left, "-")
                    # Forgotten, or meant like that: absl tells.
                    if value.startswith("-"):
                        return None
                if kind == "string":
                    given[name] = value
                else:
                    given.setdefault(name, []).append(value)
            elif kind == "bool" and not equals:
                given[name] = True
            else:
                return None
        self._given = given
        return rest

    def _by_absl(self, words: Sequence[str]) -> list[str]:
        import re

        from absl import flags

        values = self._absl()
        try:
            rest = list(values(["lading", *words]))[1:]
        except flags.Error as error:
            text = str(error).replace("FATAL Flags parsing error:\n", "").strip()
            # Of this one, absl shows the insides.
            text = re.sub(r"\('Non-boolean argument .*", "write true, false or nothing", text)
            raise UsageError(text.splitlines()[0], fix="--help lists the flags") from None
        self._given = {name: values[name].value for name in self._defined}
        return rest

    def _absl(self) -> absl_flags.FlagValues:
        from absl import flags

        values = flags.FlagValues()  # type: ignore[no-untyped-call]
        for name, (kind, more) in self._defined.items():
            define = getattr(flags, f"DEFINE_{kind}")
            define(name, flag_values=values, module_name="flags", **more)
        return values


def define_string(name: str, default: str | None, text: str, *, flag_values: FlagValues) -> None:
    """A text: `--name=text`."""
    flag_values.define("string", name, default, text)


def define_bool(name: str, default: bool | None, text: str, *, flag_values: FlagValues) -> None:
    """A switch: `--name`, `--noname`."""
    flag_values.define("bool", name, default, text)


def define_integer(
    name: str, default: int, text: str, *, flag_values: FlagValues, lower_bound: int | None = None
) -> None:
    """A whole number."""
    flag_values.define("integer", name, default, text, lower_bound=lower_bound)


def define_float(name: str, default: float, text: str, *, flag_values: FlagValues) -> None:
    """A number."""
    flag_values.define("float", name, default, text)


def define_enum(
    name: str, default: str | None, choices: Sequence[str], text: str, *, flag_values: FlagValues
) -> None:
    """One of `choices`."""
    flag_values.define("enum", name, default, text, enum_values=list(choices))


def define_multi_string(
    name: str, default: Sequence[str] | None, text: str, *, flag_values: FlagValues
) -> None:
    """A text that may be given several times; the value is a list."""
    flag_values.define("multi_string", name, default, text)


def define_multi_enum(
    name: str, default: Sequence[str], choices: Sequence[str], text: str, *, flag_values: FlagValues
) -> None:
    """One of `choices`, several times; the value is a list."""
    flag_values.define("multi_enum", name, default, text, enum_values=list(choices))
