"""Command lines of build actions: `--name=value`, one a line in a parameter file.

Parsing takes microseconds and imports nothing; absl and argparse are for people's commands.
"""

from __future__ import annotations

from lading.errors import LimitError, NotFoundError, UsageError, cannot_write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["expand", "layer_annotations", "pairs", "parse", "read", "tabbed", "write"]


def layer_annotations(given: Mapping[str, str]) -> dict[str, str]:
    """Annotations of a layer, from flags that have been parsed.

    Args:
        given: of these flags `annotations`, a JSON object of strings, wins over
            `annotations_file`, the path of a file of pairs (`oci.key_value`).

    Raises:
        LadingError: one of them is malformed, or the file cannot be read.
    """
    from lading.oci import key_value

    merged: dict[str, str] = {}
    if path := given.get("annotations_file"):
        merged |= key_value.parse(read(path), what=path)
    if text := given.get("annotations"):
        merged |= key_value.parse(text.encode(errors="surrogateescape"), what="--annotations")
    return merged


def expand(arguments: Iterable[str]) -> list[str]:
    """Replaces each `@path` by the lines of that file; raises NotFoundError."""
    result: list[str] = []
    for argument in arguments:
        if argument.startswith("@"):
            # A path may hold any byte but a line break, so the file need not be UTF-8.
            lines = read(argument[1:], limit=1 << 30).decode(errors="surrogateescape").split("\n")
            result += lines[:-1] if lines[-1] == "" else lines
        else:
            result.append(argument)
    return result


def parse(
    arguments: Iterable[str],
    *,
    single: Sequence[str] = (),
    repeated: Sequence[str] = (),
    required: Sequence[str] = (),
) -> tuple[Mapping[str, str], Mapping[str, list[str]]]:
    """Reads `--name=value` arguments.

    Args:
        arguments: with parameter files already expanded.
        single: names that occur at most once; those absent from the result were not given.
        repeated: names that occur any number of times; each is in the result.
        required: names that occur exactly once; each is in the result.

    Raises:
        UsageError: an unknown name, a value or a required name missing, or a single name given
            twice.
    """
    ones: dict[str, str] = {}
    lists: dict[str, list[str]] = {name: [] for name in repeated}
    for argument in arguments:
        name, equals, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or not equals:
            raise UsageError(f"{argument!r:.120} is not --name=value")
        if name in lists:
            lists[name].append(value)
        elif name not in single and name not in required:
            known = ", ".join(f"--{known}" for known in (*required, *single, *repeated))
            raise UsageError(f"--{name} is unknown", fix=f"there are {known}")
        elif name in ones:
            raise UsageError(f"--{name} is given twice")
        else:
            ones[name] = value
    for name in required:
        if name not in ones:
            raise UsageError(f"--{name} is missing")
    return ones, lists


def pairs(items: Iterable[str], flag: str) -> dict[str, str]:
    """The values of a flag that are `NAME=VALUE` each; raises UsageError."""
    result = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals:
            raise UsageError(f"{flag}={item:.120} is not NAME=VALUE")
        result[name] = value
    return result


def tabbed(item: str, flag: str, form: str = "NAME<TAB>PATH") -> tuple[str, str]:
    """The two halves of a flag's value with a tab between them; raises UsageError."""
    first, tab, second = item.partition("\t")
    if not tab:
        raise UsageError(f"{flag}={item:.120} is not {form}")
    return first, second


def read(path: str, *, limit: int = 4 << 20) -> bytes:
    """The bytes of a small input; raises NotFoundError, or LimitError above `limit` bytes."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise NotFoundError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > limit:
        raise LimitError(f"{path} has more than the {limit} bytes allowed")
    return data


def write(path: str, data: bytes) -> None:
    """Writes an output; raises StorageError. Bazel discards those of an action that fails."""
    try:
        with open(path, "wb") as stream:
            stream.write(data)
    except OSError as error:
        raise cannot_write(path, error) from None
