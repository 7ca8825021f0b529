"""What every request passes: the Host allow-list, and the headers of every answer.

A page on the internet can make a browser call a service on loopback under the page's own name
(DNS rebinding); a service that answers only to names it knows gives nothing away.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lading_dashboard.settings import ANY_HOST

__all__ = ["HEADERS", "Guard"]

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+?)\.?(?::[0-9]{1,5})?")
_REFUSED = """\
This dashboard does not answer to the name that was used to reach it.

Open it as http://localhost:PORT, or allow the name when starting it:
  --allowed_hosts=NAME, or LADING_DASHBOARD_ALLOWED_HOSTS=NAME
"""


class Guard:
    """ASGI middleware.

    Args:
        app: what is guarded.
        allowed_hosts: names, lower case without port; `*` for any.
        exempt: paths that any Host may ask for, because health probes use addresses that nobody
            can know beforehand. They must give nothing away.
    """

    def __init__(
        self, app: ASGIApp, *, allowed_hosts: frozenset[str], exempt: frozenset[str]
    ) -> None:
        self._app = app
        self._allowed = allowed_hosts
        self._exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                # Whatever does not say how long it may be kept is not kept.
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        if scope["path"] in self._exempt or self._answers_to(scope):
            await self._app(scope, receive, guarded)
        else:
            await PlainTextResponse(_REFUSED, status_code=421)(scope, receive, guarded)

    def _answers_to(self, scope: Scope) -> bool:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if ANY_HOST in self._allowed:
            return True
        if len(hosts) != 1:
            return False
        found = _HOST.fullmatch(hosts[0].decode("latin-1").lower())
        return found is not None and found.group(1) in self._allowed
