"""The RepositorySizes action: how large the files of repositories are, for `layer_plan`."""

from __future__ import annotations

import json
import os

from lading.actions import flags, worker
from lading.errors import NotFoundError

__all__ = ["run"]

_HEAD = """\
\"\"\"Mean size of a runfile of each repository, in bytes, for layer_plan(sizes = SIZES).\"\"\"

SIZES = """


def run(request: worker.Request) -> None:
    """Writes a Starlark file with the mean size of a file, by repository.

    Args:
        request: its arguments are `--file=REPOSITORY<TAB>PATH` for each file, and `--output=`.

    Raises:
        LadingError: a file cannot be read.
    """
    one, many = flags.parse(request.arguments, required=("output",), repeated=("file",))
    counts: dict[str, list[int]] = {}
    for item in many["file"]:
        repository, path = flags.tabbed(item, "--file", "REPOSITORY<TAB>PATH")
        counts.setdefault(repository, []).append(_size(path))
    # Strings of JSON are strings of Starlark too.
    lines = [
        f'    {json.dumps(name)}: "{sum(sizes) // len(sizes)}",\n'
        for name, sizes in sorted(counts.items())
    ]
    flags.write(one["output"], f"{_HEAD}{{\n{''.join(lines)}}}\n".encode())


def _size(path: str) -> int:
    """Bytes of a file, or of all files in a directory."""
    try:
        if not os.path.isdir(path):
            return os.stat(path).st_size
        return sum(
            os.stat(os.path.join(folder, name)).st_size
            for folder, _, names in os.walk(path)
            for name in names
        )
    except OSError as error:
        raise NotFoundError(f"{path} cannot be read: {error.strerror}") from None


if __name__ == "__main__":
    worker.main(run)
