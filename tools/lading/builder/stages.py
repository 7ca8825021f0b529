"""A Dockerfile that was read: its stages, and which of them and what from outside a build takes."""

from __future__ import annotations

from dataclasses import dataclass

from lading.errors import InputError

__all__ = ["Dockerfile", "Instruction", "Reference", "Stage"]


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its keyword in capitals, its flags, what follows, and its first line."""

    keyword: str
    flags: tuple[tuple[str, str], ...]
    rest: str
    line: int
    heredocs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """An image that an instruction takes: `name` after expansion, `text` as it is written.

    `platform` is what FROM says of it, as it is written.
    """

    name: str
    text: str
    line: int
    how: str
    platform: str = ""

    @property
    def runs_here(self) -> bool:
        """Whether it is the image for what the builder runs on, whatever is built for."""
        return self.platform in ("$BUILDPLATFORM", "${BUILDPLATFORM}")


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage: its name in small letters or empty, what it is built from, and what it takes."""

    name: str
    base: Reference
    references: tuple[Reference, ...]
    instructions: tuple[Instruction, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A Dockerfile, read. `syntax` is the frontend that it asks for; a line 0 is none."""

    syntax: str
    syntax_line: int
    escape: str
    escape_line: int
    stages: tuple[Stage, ...]

    def stage(self, name: str) -> int:
        """The index of the stage called or numbered `name`; -1 when there is none."""
        for number in range(len(self.stages) - 1, -1, -1):
            if self.stages[number].name == name.lower():
                return number
        if name.isdecimal() and len(name) < 6 and int(name) < len(self.stages):
            return int(name)
        return -1

    def reachable(self, target: str = "") -> list[int]:
        """The stages that a build of `target` (the last one when empty) runs.

        Raises InputError when there is no such stage.
        """
        last = self.stage(target) if target else len(self.stages) - 1
        if last < 0:
            known = ", ".join(stage.name for stage in self.stages if stage.name) or "none"
            raise InputError(
                f"the Dockerfile has no stage {target!r:.80}", fix=f"stages with a name: {known}"
            )
        todo, seen = [last], set()
        while todo:
            number = todo.pop()
            if number in seen:
                continue
            seen.add(number)
            stage = self.stages[number]
            for reference in (stage.base, *stage.references):
                other = self._earlier(reference, number)
                if other >= 0:
                    todo.append(other)
        return sorted(seen)

    def external(self, target: str = "") -> list[Reference]:
        """What a build of `target` takes from outside the Dockerfile, in the order of its lines."""
        found = []
        for number in self.reachable(target):
            stage = self.stages[number]
            for reference in (stage.base, *stage.references):
                if self._earlier(reference, number) >= 0:
                    continue
                if reference.how == "FROM" and reference.name == "scratch":
                    continue
                found.append(reference)
        return sorted(found, key=lambda item: item.line)

    def _earlier(self, reference: Reference, before: int) -> int:
        """The stage before number `before` that a reference means; -1 for an image from outside.

        Only COPY and RUN know stages by number.
        """
        name = reference.name.lower()
        if "$" in name:
            return -1  # it depends on what is not known
        for number in range(before - 1, -1, -1):
            if self.stages[number].name and self.stages[number].name == name:
                return number
        is_number = name.isdecimal() and len(name) < 6 and reference.how != "FROM"
        return int(name) if is_number and int(name) < before else -1
