"""Ways to make a layer of a directory: ours, and the peers that are installed.

Each is a command that is run in a scratch directory of its own and leaves a file there. A peer's
command does all that makes a layer usable: the blob, its sha256 and that of the archive in it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.layer_inputs import Tree

__all__ = ["PEERS", "Tool", "environment", "lading", "peers", "sources"]

#: Where Debian's package bazel-rules-pkg has the tool of `pkg_tar`.
_PKG_TAR = Path("/usr/share/bazel/rules/pkg/pkg/private/tar/build_tar.py")


@dataclass(frozen=True)
class Tool:
    """`prepare` is not measured, `command` is; `size` tells the bytes of the result.

    `rival` names the tool that this one is compared with. What is `slow` runs in one round only.
    """

    name: str
    prepare: Callable[[Path], None]
    command: Callable[[Path], list[str]]
    size: Callable[[Path], int]
    rival: str = ""
    slow: bool = False


def sources(tree: Tree) -> list[str]:
    """The lines of a parameter file that name the files of `tree`."""
    return [f"F\t/data/{name}\t{tree.root}/{name}" for name in tree.files]


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
        lambda scratch: [sys.executable, "-m", "lading.actions.layer", f"@{scratch / 'params'}"],
        lambda scratch: (scratch / "blob").stat().st_size,
        rival=f"umoci {kind}",
    )


def _umoci(tree: Tree, kind: str) -> Tool:
    def prepare(scratch: Path) -> None:
        layout = scratch / "layout"
        subprocess.run(["umoci", "init", "--layout", layout], check=True)
        subprocess.run(["umoci", "new", "--image", f"{layout}:x"], check=True)

    return Tool(
        f"umoci {kind}",
        prepare,
        lambda scratch: [
            *("umoci", "insert", f"--compress={kind}", "--image", f"{scratch / 'layout'}:x"),
            *(str(tree.root), "/data"),
        ],
        _largest_blob,
    )


def _largest_blob(scratch: Path) -> int:
    return max(path.stat().st_size for path in (scratch / "layout/blobs/sha256").iterdir())


def _nothing(_: Path) -> None:
    pass


def _shell(name: str, script: str, *, slow: bool = False, rival: str = "") -> Tool:
    """A script that writes `blob`; it runs in the scratch directory."""
    return Tool(
        name,
        _nothing,
        lambda scratch: ["/bin/sh", "-ec", f"cd {shlex.quote(str(scratch))}; {script}"],
        lambda scratch: (scratch / "blob").stat().st_size,
        slow=slow,
        rival=rival,
    )


def _tar(tree: Tree) -> str:
    """GNU tar with the bytes depending on nothing but the tree, as far as it can."""
    root = shlex.quote(str(tree.root))
    options = "--format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0"
    return f"tar -C {root} {options} -cf - ."


def _pipe(tree: Tree, name: str, compressor: str, *, slow: bool = False) -> Tool:
    # tee and a FIFO, because sh has no way to give a stream to two programs.
    script = (
        f"mkfifo p; sha256sum <p >diff_id & {_tar(tree)} | tee p | {compressor} | tee blob "
        "| sha256sum >digest; wait"
    )
    kind = "zstd" if "zstd" in name else "gzip"
    return _shell(f"tar, {name}", script, slow=slow, rival=f"umoci {kind}")


def _tar_tools(tree: Tree) -> list[Tool]:
    found = [
        ("igzip", "igzip -1", "igzip -1 -c", False),
        ("pigz", "pigz -6", "pigz -6 -n -c", True),
        ("zstd", "zstd -3 -T0", "zstd -3 -T0 -q -c", False),
    ]
    return [
        _pipe(tree, name, command, slow=slow)
        for program, name, command, slow in found
        if shutil.which(program)
    ]


def _crane(tree: Tree) -> list[Tool]:
    script = (
        f"{_tar(tree)} >tar; crane append --new_layer=tar --new_tag=localhost/bench:x --output=blob"
    )
    return [_shell("crane append", script, slow=True, rival="umoci gzip")]


def _buildah(tree: Tree) -> list[Tool]:
    script = (
        "b='buildah --root r --runroot rr --storage-driver vfs'; c=$($b from scratch); "
        f"$b copy -q $c {shlex.quote(str(tree.root))} /data; "
        "$b commit -q --disable-compression=false $c oci:layout:x >id"
    )
    tool = _shell("buildah", script, slow=True, rival="umoci gzip")
    return [Tool(tool.name, tool.prepare, tool.command, _largest_blob, tool.rival, tool.slow)]


def _pkg_tar(tree: Tree) -> list[Tool]:
    if not _PKG_TAR.exists():
        return []

    def prepare(scratch: Path) -> None:
        import json

        entries = [
            {"type": "file", "dest": f"data/{name}", "src": f"{tree.root}/{name}", "mode": "0755"}
            for name in tree.files
        ]
        (scratch / "manifest").write_text(json.dumps(entries))

    root = _PKG_TAR.parents[3]
    return [
        Tool(
            "rules_pkg, pkg_tar",
            prepare,
            lambda scratch: [
                *("env", f"PYTHONPATH={root}", sys.executable, str(_PKG_TAR), "--compression=gz"),
                *(f"--output={scratch}/blob", f"--manifest={scratch}/manifest"),
            ],
            lambda scratch: (scratch / "blob").stat().st_size,
            rival="umoci gzip",
            slow=True,
        )
    ]


#: Peers by the names that select them.
PEERS: dict[str, Callable[[Tree], list[Tool]]] = {
    "umoci": lambda tree: [_umoci(tree, "gzip"), _umoci(tree, "zstd")],
    "tar": _tar_tools,
    "crane": _crane,
    "buildah": _buildah,
    "pkg_tar": _pkg_tar,
}


def peers(tree: Tree, names: list[str]) -> list[Tool]:
    """Tools of the peers that are installed; says on stderr which are not."""
    tools = []
    for name in names:
        there = name in ("tar", "pkg_tar") or shutil.which(name)
        found = PEERS[name](tree) if there else []
        if not found:
            sys.stderr.write(f"{name} is not installed and left out\n")
        tools += found
    return tools


def environment() -> dict[str, str]:
    """For commands: the interpreter's own modules are found where this process found them."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
