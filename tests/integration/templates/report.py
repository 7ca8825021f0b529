"""A program of a development image: what it needs is installed, and what it writes is beside it."""

from __future__ import annotations

from pathlib import Path

import jinja2

text = jinja2.Template("{{ name }} in {{ place }}").render(name="report", place=Path.cwd())
Path("report.txt").write_text(text)
print(Path("report.txt").read_text())
