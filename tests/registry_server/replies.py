"""What the registry answers, before it is HTTP."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

__all__ = ["Reply", "error"]


@dataclass
class Reply:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def error(status: int, code: str, message: str = "") -> Reply:
    """An error as the specification has it."""
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return Reply(status, {"Content-Type": "application/json"}, body)
