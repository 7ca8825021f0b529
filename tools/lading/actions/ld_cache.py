"""Build action: /etc/ld.so.cache for an image, from the shared libraries in its layers.

Arguments: `--output=PATH --layer=PATH…`, layers lowest first.
"""

from __future__ import annotations

import functools

from lading.actions import flags, worker
from lading.debian.ld_cache import write_cache
from lading.debian.ldconfig import find_libraries
from lading.layer.view import View

__all__ = ["run"]


def run(request: worker.Request) -> None:
    """Writes the cache; raises LadingError."""
    options, lists = flags.parse(request.arguments, single=["output"], repeated=["layer"])
    view = View([functools.partial(open, path, "rb") for path in lists["layer"]])
    flags.write(options["output"], write_cache(find_libraries(view)))


if __name__ == "__main__":
    worker.main(run)
