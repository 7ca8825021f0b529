"""What the repository rule `nix_closure` runs: a closure in, planned layers out.

Needs nothing but the standard library. Prints the plan as JSON:

    {"store": "/nix/store",
     "layers": {NAME: {"paths": {BASE: "HEX:SIZE"}}},
     "images": {NAME: {"layers": [NAME…], "roots": [PATH…], "programs": {NAME: PATH}}}}
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lading.actions import flags
from lading.errors import LadingError, NotFoundError, UsageError
from lading.layer.nar import NarReader
from lading.layer.reading import open_file
from lading.nix import closure as closures
from lading.nix import export, program
from lading.nix.planning import plan_layers, reachable

__all__ = ["run"]

_REQUIRED = ("budget", "images", "store_dir", "what")
_SINGLE = (
    "directory", "export", "file", "flake", "graph", "link", "nix", "store_root",
)  # fmt: skip


def run(arguments: Sequence[str]) -> Mapping[str, Any]:
    """Plans the layers of a closure.

    Args:
        arguments: `--images=JSON`, an object of lists of roots; `--budget=`; `--what=`, how errors
            name the target; `--store_dir=`, where objects are in images; and one of
            `--export=FILE` (objects become files in `--directory=`), `--graph=FILE` (objects are
            in `--store_root=`), `--file=FILE` or `--flake=DIRECTORY` (built with `--nix=`, kept
            by `--link=`).

    Raises:
        LadingError: see `lading.nix`.
    """
    one, _ = flags.parse(arguments, required=_REQUIRED, single=_SINGLE)
    images: dict[str, list[str]] = json.loads(one["images"])
    what, store = one["what"], one["store_dir"]
    physical = Path(one.get("store_root") or store)
    if "export" in one:
        objects = Path(one["directory"])
        closure = export.split(Path(one["export"]), objects, what=f"{what}, export", store=store)
    elif "graph" in one:
        data = flags.read(one["graph"], limit=1 << 30)
        closure = closures.loads(data, what=f"{what}, graph", store=store)
    elif "nix" in one:
        closure, images = _build(one, images)
    else:
        raise UsageError("nothing says where the closure is")
    chosen = {
        name: [closures.resolve(closure, root, what=f"{what}, images[{name!r}]") for root in roots]
        or closures.roots(closure)
        for name, roots in images.items()
    }
    layers = plan_layers(closure, chosen, budget=int(one["budget"]))
    if "export" in one:
        _remove_unused(objects, closure, chosen)
    else:
        _require(closure, chosen, physical, what)
    listed = {name: _programs(closure, roots, one, physical) for name, roots in chosen.items()}
    return {
        "store": closure.store,
        "layers": {
            name: {
                base: f"{closure.paths[base].nar_hash}:{closure.paths[base].nar_size}"
                for base in sorted(bases)
            }
            for name, bases in layers.layers.items()
        },
        "images": {
            name: {
                "layers": list(layers.images[name]),
                "programs": listed[name],
                "roots": [closure.full(base) for base in roots],
            }
            for name, roots in chosen.items()
        },
    }


def _build(
    one: Mapping[str, str], images: Mapping[str, list[str]]
) -> tuple[closures.Closure, dict[str, list[str]]]:
    """Builds the roots, which are attributes; returns their closure and paths."""
    nix = Path(one["nix"])
    expression = one.get("file") or one["flake"]
    built: dict[str, list[str]] = {}
    cwd = Path(expression).parent if "file" in one else Path(expression)
    for number, (name, attributes) in enumerate(images.items()):
        link = Path(f"{one['link']}{number}")
        built[name] = program.build(
            nix, expression, attributes, flake="flake" in one, link=link, cwd=cwd
        )
    paths = sorted({path for found in built.values() for path in found})
    data = program.path_info(nix, paths, cwd=cwd)
    return closures.loads(data, what=f"{one['what']}, nix path-info", store=one["store_dir"]), built


def _remove_unused(
    objects: Path, closure: closures.Closure, chosen: Mapping[str, list[str]]
) -> None:
    """Removes archives of objects that no image needs."""
    used = {base for roots in chosen.values() for base in reachable(closure, roots)}
    for base in closure.paths.keys() - used:
        (objects / f"{base}.nar").unlink()


def _require(
    closure: closures.Closure, chosen: Mapping[str, list[str]], physical: Path, what: str
) -> None:
    """Raises NotFoundError unless everything that the images need is in the store."""
    for base in sorted(reachable(closure, [root for roots in chosen.values() for root in roots])):
        if not os.path.lexists(physical / base):
            raise NotFoundError(
                f"{what}: {closure.full(base)}, which is in the closure, is not in {physical}",
                fix=f"get it with nix-store --realise {closure.full(base)}, or set store_root",
            )


def _programs(
    closure: closures.Closure, roots: Sequence[str], one: Mapping[str, str], physical: Path
) -> dict[str, str]:
    """Name to path of the programs of the roots; of two with one name, that of the first root."""
    found: dict[str, str] = {}
    for base in roots:
        if "export" in one:
            names = _in_archive(str(Path(one["directory"], f"{base}.nar")))
        else:
            names = program.programs(physical / base)
        for name in names:
            found.setdefault(name, f"{closure.full(base)}/bin/{name}")
    return found


def _in_archive(path: str) -> list[str]:
    fd, _ = open_file(path)
    with open(fd, "rb", buffering=0):
        nodes = NarReader(fd, 0, what=path).nodes()
        names = [name for name, *_ in nodes if name.startswith("bin/") and name.count("/") == 1]
    return [name[4:] for name in names]


if __name__ == "__main__":
    try:
        json.dump(run(sys.argv[1:]), sys.stdout)
    except LadingError as failure:
        sys.stderr.write(f"{failure}\n")
        sys.exit(failure.exit_code)
