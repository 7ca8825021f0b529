"""What happens in a build, as events, and as lines of JSON for programs (S3.4).

{"status":"started","id":"sha256:…","name":"[2/3] RUN make"}
{"status":"progress","id":"sha256:…","name":"sha256:…","current":1048576,"total":5242880}
{"status":"output","id":"sha256:…","text":"cc -c main.c"}
{"status":"done","id":"sha256:…","name":"[2/3] RUN make"}
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Event", "Status", "Tail"]

#: `started`, `cached`, `done` and `error` are about a step; `progress` about bytes of one, `output`
#: is a line of its program, `warning` and `info` are about the build.
Status = Literal["started", "progress", "output", "cached", "done", "error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `current` and `total` are bytes; -1 where that is not known."""

    status: Status
    id: str = ""
    name: str = ""
    text: str = ""
    current: int = -1
    total: int = -1
    line: int = 0

    def to_json(self) -> str:
        """One line of JSON without its end; what is empty is left out."""
        value: dict[str, object] = {"status": self.status}
        value |= {key: text for key in ("id", "name", "text") if (text := getattr(self, key))}
        value |= {key: size for key in ("current", "total") if (size := getattr(self, key)) >= 0}
        if self.line:
            value["line"] = self.line
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def person(self) -> str:
        """A line for a person; empty for what only a meter would show."""
        if self.status == "output":
            return f"  {self.text}"
        if self.status in ("error", "warning"):
            return f"{self.status}: {self.text or self.name}"
        if self.status == "info":
            return self.text
        if self.status == "cached":
            return f"{self.name} (as before)"
        return self.name if self.status == "started" else ""


class Tail:
    """The last lines of a build, with the values of secrets taken out. It is an `OnEvent`.

    Args:
        size: lines that are kept.
        secrets: texts that must not be shown.
    """

    def __init__(self, size: int = 40, secrets: Iterable[str] = ()) -> None:
        self._lines: deque[str] = deque(maxlen=size)
        self._secrets = sorted({text for value in secrets for text in _parts(value)}, key=len)[::-1]

    def __call__(self, event: Event) -> None:
        if line := event.person():
            self._lines.append(self.hide(line))

    def hide(self, text: str) -> str:
        """`text` without the secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def __str__(self) -> str:
        return "\n".join(self._lines)


def _parts(value: str) -> list[str]:
    """What of a secret may appear in a line: each of its lines that is long enough to be one."""
    return [line for line in (part.strip() for part in value.splitlines()) if len(line) >= 4]
