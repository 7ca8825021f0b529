"""Copies the generated pages into the workspace:  bazel run //docs/rules:update"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def main() -> int:
    workspace = os.environ.get("BUILD_WORKSPACE_DIRECTORY")
    if workspace is None:
        print("update: run me with `bazel run //docs/rules:update`", file=sys.stderr)
        return 2
    pages = Path(workspace, "docs", "rules")
    for page in map(Path, sys.argv[1:]):
        # Not shutil.copy: what Bazel generates is read-only.
        shutil.copyfile(page, pages / page.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
