"""Other makers of layers, those that are installed, each at its comparable setting."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

from tests.bench.layer_inputs import Tree
from tests.bench.layer_tools import Tool

__all__ = ["PEERS", "peers"]

#: Where Debian's package bazel-rules-pkg has the tool of `pkg_tar`.
_PKG_TAR = Path("/usr/share/bazel/rules/pkg/pkg/private/tar/build_tar.py")


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
        _layer_of_layout,
        prefix="data/",
    )


def _layer_of_layout(scratch: Path) -> Path:
    """The last layer of the last image in `layout`."""
    layout = scratch / "layout"
    manifest = json.loads((layout / "index.json").read_text())["manifests"][-1]
    manifest = json.loads(_blob(layout, manifest["digest"]).read_text())
    return _blob(layout, manifest["layers"][-1]["digest"])


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / Path(*digest.split(":"))


def _nothing(_: Path) -> None:
    pass


def _shell(
    name: str,
    script: str,
    blob: Callable[[Path], Path] = lambda scratch: scratch / "blob",
    *,
    slow: bool = False,
    rival: str = "umoci gzip",
    prefix: str = "",
) -> Tool:
    """A script that runs in the scratch directory."""

    def command(scratch: Path) -> list[str]:
        return ["/bin/sh", "-ec", f"cd {shlex.quote(str(scratch))}; {script}"]

    return Tool(name, _nothing, command, blob, slow=slow, rival=rival, prefix=prefix)


def _tar(tree: Tree) -> str:
    """GNU tar with the bytes depending on nothing but the tree, as far as it can."""
    root = shlex.quote(str(tree.root))
    options = "--format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0"
    return f"tar -C {root} {options} -cf - ."


def _tar_tools(tree: Tree) -> list[Tool]:
    found = [
        ("igzip -1", "igzip -1 -c", False),
        ("pigz -6", "pigz -6 -n -c", True),
        ("zstd -3 -T0", "zstd -3 -T0 -q -c", False),
    ]
    tools = []
    for name, compressor, slow in found:
        program = name.partition(" ")[0]
        if shutil.which(program):
            # tee and a FIFO, because sh has no way to give a stream to two programs.
            script = (
                f"mkfifo p; sha256sum <p >diff_id & {_tar(tree)} | tee p | {compressor} | tee blob "
                "| sha256sum >digest; wait"
            )
            rival = "umoci zstd" if program == "zstd" else "umoci gzip"
            tools.append(_shell(f"tar, {name}", script, slow=slow, rival=rival))
    return tools


def _crane(tree: Tree) -> list[Tool]:
    def blob(scratch: Path) -> Path:
        """The layer in the archive of an image that crane writes."""
        with tarfile.open(scratch / "blob") as archive:
            manifest = archive.extractfile("manifest.json")
            assert manifest is not None
            name = str(json.load(manifest)[0]["Layers"][-1])
            archive.extract(name, scratch / "image", filter="data")
        return scratch / "image" / name

    script = (
        f"{_tar(tree)} >tar; crane append --new_layer=tar --new_tag=localhost/bench:x --output=blob"
    )
    return [_shell("crane append", script, blob, slow=True)]


def _buildah(tree: Tree) -> list[Tool]:
    script = (
        "b='buildah --root r --runroot rr --storage-driver vfs'; c=$($b from scratch); "
        f"$b copy -q $c {shlex.quote(str(tree.root))} /data; "
        "$b commit -q --disable-compression=false $c oci:layout:x >id"
    )
    return [_shell("buildah", script, _layer_of_layout, slow=True, prefix="data/")]


def _pkg_tar(tree: Tree) -> list[Tool]:
    """The tool of the rule, with the flags and the manifest that the rule gives it."""
    if not _PKG_TAR.exists():
        return []

    def prepare(scratch: Path) -> None:
        common = {"type": "file", "mode": "", "user": None, "group": None, "origin": "//:x"}
        entries = [
            {**common, "dest": f"data/{name}", "src": f"{tree.root}/{name}"} for name in tree.files
        ]
        (scratch / "manifest").write_text(json.dumps(entries))

    def command(scratch: Path) -> list[str]:
        return [
            *("env", f"PYTHONPATH={_PKG_TAR.parents[3]}", "PYTHONUTF8=1", sys.executable),
            *("-Wignore", str(_PKG_TAR), f"--output={scratch}/blob", "--mode=0555"),
            *("--owner=0.0", "--owner_name=.", "--directory=/", "--compression=gz"),
            f"--manifest={scratch}/manifest",
        ]

    return [
        Tool(
            "rules_pkg, pkg_tar",
            prepare,
            command,
            lambda scratch: scratch / "blob",
            rival="umoci gzip",
            slow=True,
            prefix="data/",
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
