"""A program with a dependency of its own, one from another repository, and data."""

import os
import sys
from pathlib import Path

import absl.flags

from tests.rules.programs import greeting

data = Path("tests/rules/programs/data.txt").read_text().strip()
print(greeting.TEXT, data, os.environ["STAGE"], *sys.argv[1:], absl.flags.__name__)
