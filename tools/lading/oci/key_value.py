"""Files of `KEY=VALUE` pairs: labels, annotations and environment that come from other rules.

Three forms, told apart by the first character that is not blank:

- `{`: a JSON object. A value is a string, or a list of strings of which the last counts.
- `[`: a JSON list of `"KEY=VALUE"` strings.
- anything else: text, one `KEY=VALUE` a line. Blank lines and lines that start with `#` are
  skipped, blanks around key and value are dropped. There is no quoting: `A="b"` has quotes in
  its value. A value with a line break, or with blanks at its ends, needs one of the JSON forms.
"""

from __future__ import annotations

import json

from lading.errors import InputError

__all__ = ["parse"]

#: Largest file accepted, in bytes; it ends up in a config or manifest of at most 4 MiB.
_MAX_BYTES = 4 * 1024 * 1024


def parse(data: bytes, *, what: str) -> dict[str, str]:
    """Reads the pairs in `data`, in the order of the file.

    Args:
        data: UTF-8 bytes, with or without a byte order mark.
        what: names the file in an error.

    Raises:
        InputError: not UTF-8, no pair, an empty key, or one key with two values.
    """
    if len(data) > _MAX_BYTES:
        raise InputError(f"{what} is {len(data)} bytes, more than the {_MAX_BYTES} allowed")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{what} is not UTF-8 text: {error.reason}") from None
    read = _json_pairs if text.lstrip()[:1] in ("{", "[") else _text_pairs
    result: dict[str, str] = {}
    for place, key, value in read(text, what):
        if not key:
            raise InputError(f"{what}, {place}: the key is empty", fix="write KEY=VALUE")
        if "\0" in key + value:
            raise InputError(f"{what}, {place}: {key!r:.80} holds a null character")
        if result.setdefault(key, value) != value:
            raise InputError(
                f"{what}, {place}: {key!r:.80} has the value {value!r:.80}, but further up"
                f" {result[key]!r:.80}",
                fix="keep one of the two lines",
            )
    return result


def _text_pairs(text: str, what: str) -> list[tuple[str, str, str]]:
    pairs = []
    # Not splitlines(): that also breaks at characters that a value may hold, such as U+2028.
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        pairs.append((f"line {number}", *_pair(line, f"{what}, line {number}")))
    return pairs


def _json_pairs(text: str, what: str) -> list[tuple[str, str, str]]:
    def keep(pairs: list[tuple[str, object]]) -> list[tuple[str, object]]:
        return pairs  # a list, not a dict: two equal keys are still there to be compared

    try:
        value = json.loads(text, object_pairs_hook=keep)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{what} starts like JSON but is not valid: {error}",
            fix="write a JSON object of strings, a JSON list of strings, or KEY=VALUE lines",
        ) from None
    if text.lstrip().startswith("["):
        if not all(isinstance(item, str) for item in value):
            raise InputError(f"{what}: the JSON list holds something that is no string")
        return [
            (f"item {number}", *_pair(item, f"{what}, item {number}"))
            for number, item in enumerate(value, start=1)
        ]
    pairs = []
    for key, item in value:
        if isinstance(item, list) and item:
            item = item[-1]
        if not isinstance(item, str):
            raise InputError(f"{what}: the value of {key!r:.80} is no string")
        pairs.append((f"key {key!r:.80}", key, item))
    return pairs


def _pair(text: str, where: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"{where}: {text!r:.80} is not KEY=VALUE", fix="write KEY=VALUE")
    return key.strip(), value.strip()
