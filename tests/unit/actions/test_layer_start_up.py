"""What a layer imports: half of the time that a tiny one takes without a worker."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

#: Needed by no layer of a frame; most of these bring a dozen others.
_NEVER = {
    "collections", "contextlib", "dataclasses", "enum", "functools", "json", "lading.layer.kept",
    "lading.layer.pipeline", "lading.layer.unpack", "logging", "queue", "re", "runpy", "shutil",
    "site", "subprocess", "tempfile", "threading", "typing", "yaml",
}  # fmt: skip

_PROGRAM = """\
import sys
sys.path += sys.argv.pop(1).split("|")
from lading.actions import flags, layer, worker
layer.run(worker.Request(flags.expand(sys.argv[1:])))
print(*sys.modules)
"""


@pytest.mark.parametrize("kind", ["gzip", "none"])
def test_a_tiny_layer_imports_nothing_that_it_does_not_need(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_text("content")
    lines = [
        f"--output={tmp_path / 'layer'}",
        f"--metadata={tmp_path / 'layer.metadata.json'}",
        f"--compression={kind}",
        f"F\t/srv/file\t{tmp_path / 'file'}",
        "L\t/srv/link\tfile",
        "D\t/srv/empty",
    ]
    (tmp_path / "params").write_text("".join(f"{line}\n" for line in lines))
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _PROGRAM, "|".join(sys.path), f"@{tmp_path / 'params'}"],
        capture_output=True,
        text=True,
        check=True,
    )
    modules = set(done.stdout.split())
    assert "lading.layer.writer" in modules
    assert not _NEVER & modules
