"""What the benchmark of layers runs: a command in a scratch directory, which leaves a layer there.

A peer's command does all that makes a layer usable: the blob, its sha256 and that of the archive in
it. Peers are in `layer_peers`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.layer_inputs import Tree

__all__ = ["PROGRAM", "Tool", "environment", "lading", "sources"]

_BUILT = Path(__file__).parents[2] / "tools/lading/actions/layer_program"
#: The layer's tool as Bazel starts it; outside of Bazel, its module.
PROGRAM = [str(_BUILT)] if _BUILT.exists() else [sys.executable, "-m", "lading.actions.layer"]


@dataclass(frozen=True)
class Tool:
    """`prepare` is not measured, `command` is; `blob` then gives the path of the compressed layer.

    `rival` names the tool that this one is compared with. What is `slow` runs in one round only.
    `prefix` is the directory of the layer that the tree's files are in.
    """

    name: str
    prepare: Callable[[Path], None]
    command: Callable[[Path], list[str]]
    blob: Callable[[Path], Path]
    rival: str = ""
    slow: bool = False
    prefix: str = ""


def sources(tree: Tree) -> list[str]:
    """The lines of a parameter file that name the files of `tree`, as those of a package."""
    return [f"C\t/data/\t{tree.root}/", *[f"\t{name}" for name in tree.files]]


def lading(tree: Tree, kind: str, profile: str) -> Tool:
    """The action's tool, run once, as without a worker."""

    def prepare(scratch: Path) -> None:
        lines = [
            f"--output={scratch / 'blob'}",
            f"--metadata={scratch / 'metadata'}",
            f"--compression={kind}",
            f"--profile={profile}",
            *sources(tree),
        ]
        (scratch / "params").write_text("".join(f"{line}\n" for line in lines))

    return Tool(
        f"lading {kind} {profile}",
        prepare,
        lambda scratch: [*PROGRAM, f"@{scratch / 'params'}"],
        lambda scratch: scratch / "blob",
        rival=f"umoci {kind}",
        prefix="data/",
    )


def environment() -> dict[str, str]:
    """For commands: the interpreter's own modules are found where this process found them."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
