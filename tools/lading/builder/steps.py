"""buildah's progress as it prints it: steps, their output, and what failed, line by line.

What `rawjson` is for BuildKit.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

from lading.builder.dockerfile import Dockerfile
from lading.builder.progress import Event

__all__ = ["Steps"]

_STEP = re.compile(r"(?:\[([0-9]+)/[0-9]+\] )?STEP ([0-9]+)/[0-9]+: (.*)")
_COPYING = re.compile(r"Copying (?:blob|config) (sha256:[0-9a-f]+)")
_STATUS = re.compile(r"exit status ([0-9]+)")
_ERROR = re.compile(r"Error: |error: ")
#: A structure of buildah's own, printed behind what a person can read.
_INTERNAL = re.compile(r" &imagebuilder\.Step\{.*")


class Steps:
    """Reads buildah's text: steps, their output, and why it failed.

    Attributes:
        line: the line of the Dockerfile that failed, 0 while none did.
        status: the exit status of the program that failed, None without one.
        output: the last lines that programs printed.
    """

    def __init__(self, dockerfile: Dockerfile) -> None:
        self.output: deque[str] = deque(maxlen=5)
        self.line = 0
        self.status: int | None = None
        self._dockerfile = dockerfile
        self._step: Event | None = None
        self._error: list[str] = []

    def feed(self, line: str) -> Iterator[Event]:
        """What a line tells."""
        if match := _STEP.fullmatch(line):
            yield from self.finish()
            stage, number, text = int(match[1] or 1) - 1, int(match[2]), match[3]
            self._step = Event(
                "started", f"{stage + 1}.{number}", text, line=self._line(stage, number, text)
            )
            yield self._step
        elif match := _COPYING.match(line):
            yield Event("info", match[1], text=line)
        elif _ERROR.match(line):
            self._fail(line)
            step = self._step or Event("error")
            yield Event("error", step.id, step.name, text=line, line=step.line)
        elif line.strip():
            self.output.append(line)
            step = self._step or Event("output")
            yield Event("output", step.id, step.name, text=line)

    def finish(self) -> Iterator[Event]:
        """The end of the step that runs."""
        if self._step is not None:
            yield Event("done", self._step.id, self._step.name, line=self._step.line)
            self._step = None

    def message(self) -> str:
        """Why the build failed, in buildah's words, on one line."""
        text = self._error[-1] if self._error else "".join(list(self.output)[-1:])
        return " ".join(_INTERNAL.sub("", _ERROR.sub("", text, count=1)).split())

    def _fail(self, line: str) -> None:
        self._error.append(line)
        if match := _STATUS.search(line):
            self.status = int(match[1])
        if self._step is not None and "building at STEP" in line:
            self.line = self._step.line

    def _line(self, stage: int, number: int, text: str) -> int:
        """The line of the Dockerfile that a step is about."""
        if stage >= len(self._dockerfile.stages):
            return 0
        found = self._dockerfile.stages[stage]
        keyword = text.split(" ", 1)[0].upper()
        if keyword == "FROM":
            return found.base.line
        place = number - 2
        if place < len(found.instructions) and found.instructions[place].keyword == keyword:
            return found.instructions[place].line
        same = [one for one in found.instructions if one.keyword == keyword]
        return same[0].line if len(same) == 1 else 0
