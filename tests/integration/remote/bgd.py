"""`bgd`, the program of BuildGrid."""

from __future__ import annotations

import importlib.metadata
import sys

if __name__ == "__main__":
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="bgd")
    sys.exit(script.load()())
