"""Which paths of an archive or package a layer leaves out, by patterns as dpkg has them."""

from __future__ import annotations

from lading.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["excluder"]


def excluder(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Whether a path is left out, decided by the last pattern that fits it.

    Patterns are absolute, with the wildcards `*`, `?` and `[…]`, which also match slashes (dpkg's
    path-exclude); one after `!` takes back what an earlier one leaves out. The function that is
    returned takes paths as entries have them, without a slash in front.

    Raises:
        InputError: a pattern is not absolute.
    """
    import re
    from fnmatch import translate

    rules = []
    for pattern in patterns:
        text = pattern.removeprefix("!")
        if text[:1] != "/":
            raise InputError(
                f"the pattern {pattern!r:.200} is not absolute",
                fix="write it like /usr/share/man/*, with ! in front to keep what it matches",
            )
        rules.append((re.compile(translate(text[1:])).match, text == pattern))
    rules.reverse()

    def excluded(path: str) -> bool:
        return next((verdict for match, verdict in rules if match(path)), False)

    return excluded
