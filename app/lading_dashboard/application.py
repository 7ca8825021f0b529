"""The web application: addresses, and what answers them. It reads only."""

from __future__ import annotations

import hashlib
import json
import sys
import traceback
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from lading.errors import InputError, LadingError, NotFoundError
from lading.oci.digest import Digest
from lading_dashboard import api
from lading_dashboard.assets import load_assets
from lading_dashboard.catalog import Catalog, Found
from lading_dashboard.guard import Guard
from lading_dashboard.pages import Pages
from lading_dashboard.settings import Settings

__all__ = ["create_app"]

_HEALTH = "/healthz"
_TITLES = {404: "There is nothing here", 405: "This dashboard only shows"}
_HTML = "text/html; charset=utf-8"


def create_app(settings: Settings) -> ASGIApp:
    """The dashboard as an ASGI application."""
    catalog = Catalog(settings.places)
    assets = load_assets()
    by_url = {asset.url: asset for asset in assets.values()}
    pages = Pages(assets)

    def images(request: Request) -> Response:
        query = request.query_params
        body = pages.images(
            catalog.snapshot(),
            catalog.places,
            text=query.get("q", "").strip()[:200],
            sort=query.get("sort", ""),
        )
        return _answer(request, body, _HTML)

    def image(request: Request) -> Response:
        return _answer(request, pages.image(_find(request), catalog.snapshot()), _HTML)

    def api_images(request: Request) -> Response:
        return _json(request, api.list_json(catalog.snapshot()))

    def api_image(request: Request) -> Response:
        return _json(request, api.detail_json(_find(request)))

    def _find(request: Request) -> Found:
        digest = Digest.parse(request.path_params["digest"])
        return catalog.find(digest, request.query_params.get("repository", ""))

    async def health(_: Request) -> Response:
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def static(request: Request) -> Response:
        asset = by_url.get(request.url.path)
        if asset is None:
            raise HTTPException(404)
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(asset.body, headers=headers, media_type=asset.media_type)

    async def failed(request: Request, error: Exception) -> Response:
        status, title, message, fix = _explain(error)
        if request.url.path.startswith("/api/"):
            value = {"error": message} | ({"fix": fix} if fix else {})
            return Response(_dump(value), status, media_type="application/json")
        body = pages.error(status, title, message, fix)
        headers = getattr(error, "headers", None)
        return Response(body, status, headers=headers, media_type=_HTML)

    application = Starlette(
        routes=[
            Route("/", images),
            Route("/images/{digest}", image),
            Route("/api/images", api_images),
            Route("/api/images/{digest}", api_image),
            Route(_HEALTH, health),
            Route("/static/{path:path}", static),
        ],
        exception_handlers={LadingError: failed, HTTPException: failed, Exception: failed},
    )
    # Around the application, not inside: Starlette answers a crash outside its own middleware.
    return Guard(application, allowed_hosts=settings.allowed_hosts, exempt=frozenset({_HEALTH}))


def _explain(error: Exception) -> tuple[int, str, str, str]:
    """Status, title, message and what to do."""
    if isinstance(error, HTTPException):
        message = {
            404: "This address does not exist.",
            405: "It has nothing that can be changed from here.",
        }.get(error.status_code, error.detail)
        title = _TITLES.get(error.status_code, "That did not work")
        return error.status_code, title, message, ""
    if isinstance(error, LadingError):
        status = {InputError: 400, NotFoundError: 404}.get(type(error), 500)
        title = "No such image" if status == 404 else "That did not work"
        return status, title, error.what, error.fix
    traceback.print_exception(error, file=sys.stderr)
    return (
        500,
        "The dashboard failed",
        "This is a defect of the dashboard, not of your images.",
        "its standard error says more; please report that",
    )


def _json(request: Request, value: dict[str, Any]) -> Response:
    return _answer(request, _dump(value), "application/json")


def _dump(value: dict[str, Any]) -> bytes:
    # ASCII: a text from an image need not be encodable in anything else.
    return json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False).encode() + b"\n"


def _answer(request: Request, body: bytes, media_type: str) -> Response:
    """`body`, or 304 when the client has exactly that already."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    known = request.headers.get("if-none-match", "")
    if tag in (item.strip().removeprefix("W/") for item in known.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)
