"""What registries want people to know (distribution-spec 1.1, "Warnings")."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

from lading.errors import visible
from lading.http.messages import Response

__all__ = ["Warnings"]

# RFC 7234, section 5.5: the code, the agent, the text; the specification allows no other values.
_WARNING = re.compile(r'299 - "((?:[^"\\]|\\.)*)"')
#: Bytes of all warnings of an answer, as the specification has it, and warnings of a session.
_MAX_BYTES = 4096
_MAX_WARNINGS = 20


class Warnings:
    """Tells each warning of a registry once, and does nothing else about it."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._told: set[str] = set()
        self._lock = threading.Lock()

    def read(self, response: Response) -> None:
        """Looks for warnings in an answer."""
        for text in _WARNING.findall(", ".join(response.headers("Warning"))[:_MAX_BYTES]):
            plain = re.sub(r"\\(.)", r"\1", text).replace("\n", " ").replace("\t", " ")
            line = visible(f"{response.request.origin} warns: {plain}")
            with self._lock:
                if line in self._told or len(self._told) == _MAX_WARNINGS:
                    continue
                self._told.add(line)
            self._tell(line)
