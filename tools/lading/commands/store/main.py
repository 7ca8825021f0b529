"""The image store: save, find, load and check images that jobs on this machine use.

    store list [PATTERN]            what there is
    store show NAME                 all that is known about one image
    store match --os=OS …           the image that fits a requirement
    store prepare --os=OS …         that image, built and saved first if there is none
    store save NAME SOURCE          save an image: a .tar, or oci:DIRECTORY[:TAG]
    store load NAME                 load it into a container engine
    store register NAME             enter an archive that is in its place already
    store unregister NAME           forget it; the archive stays
    store verify [NAME…]            read archives again, all of them without a name
    store repair                    rebuild the catalog from the archives
    store lease NAME -- COMMAND…    keep an image from cleanup while a command runs
    store stats                     how many images, how many bytes

`store VERB --help` lists the flags of a verb.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence

from lading.commands import entry
from lading.errors import UsageError

__all__ = ["VERBS", "main"]

#: Each verb and the module that has a function of its name; only that module is imported.
VERBS = {
    "lease": "using",
    "list": "listing",
    "load": "using",
    "match": "matching",
    "prepare": "preparing",
    "register": "registering",
    "repair": "registering",
    "save": "saving",
    "show": "listing",
    "stats": "listing",
    "unregister": "registering",
    "verify": "saving",
}


def main(argv: Sequence[str]) -> int:
    """Runs a verb; raises LadingError."""
    if not argv or argv[0] in ("--help", "-h", "help"):
        print((__doc__ or "").strip())
        return 0 if argv else UsageError.exit_code
    verb, *rest = argv
    if verb not in VERBS:
        raise UsageError(f"there is no verb {verb!r}", fix=f"there are {', '.join(VERBS)}")
    module = importlib.import_module(f"lading.commands.store.{VERBS[verb]}")
    run: Callable[[Sequence[str]], int] = getattr(module, f"{verb}_")
    return run(rest)


if __name__ == "__main__":
    entry.run(main)
