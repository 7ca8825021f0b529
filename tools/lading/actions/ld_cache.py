"""Build action: /etc/ld.so.cache for an image, from the shared libraries in its layers.

Arguments: `--output=PATH --layer=PATH…`, layers lowest first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from lading.actions import flags, worker
from lading.debian.ld_cache import write_cache
from lading.debian.ldconfig import find_libraries
from lading.layer.view import View

__all__ = ["run"]


def run(request: worker.Request) -> None:
    """Writes the cache; raises LadingError."""
    options, lists = flags.parse(request.arguments, required=("output",), repeated=("layer",))
    view = View([_opener(path) for path in lists["layer"]])
    flags.write(options["output"], write_cache(find_libraries(view)))


def _opener(path: str) -> Callable[[], BinaryIO]:
    return lambda: open(path, "rb")


if __name__ == "__main__":
    worker.main(run)
