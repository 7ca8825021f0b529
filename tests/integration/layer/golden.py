"""The digests that the layers of `inputs` have: `bazel run //tests/integration/layer:golden`.

Writes golden.json anew. A change there changes the digest of every layer that anybody builds: it
belongs to a change of the compressors' versions, levels or frames, and to nothing else.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from tests.integration.layer import action, inputs


def digests(root: Path, lines: list[str], scratch: Path) -> dict[str, dict[str, object]]:
    """Digest, diff_id and size of each kind of layer."""
    table: dict[str, dict[str, object]] = {}
    for kind, flags in action.KINDS.items():
        metadata = action.build(root, scratch / "layer", lines, flags).metadata
        table[kind] = {name: metadata[name] for name in ("digest", "diff_id", "size")}
    return table


def main() -> None:
    """Writes the table into the source tree."""
    with tempfile.TemporaryDirectory() as directory:
        root, scratch = Path(directory, "root"), Path(directory, "scratch")
        root.mkdir()
        scratch.mkdir()
        table = digests(root, inputs.generate(root), scratch)
    path = Path(os.environ["BUILD_WORKSPACE_DIRECTORY"], "tests/integration/layer/golden.json")
    path.write_text(json.dumps(table, indent=2) + "\n")
    print(path)


if __name__ == "__main__":
    main()
