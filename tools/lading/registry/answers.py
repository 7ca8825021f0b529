"""What a registry's refusal means for a person (distribution-spec 1.1, "Error codes")."""

from __future__ import annotations

from lading.errors import (
    ConflictError,
    CorruptError,
    DeniedError,
    InputError,
    LadingError,
    LimitError,
    NotFoundError,
    UnreachableError,
)
from lading.http.messages import Request, Response, TransportError
from lading.http.retry import asked_for
from lading.oci import document
from lading.registry.caps import MAX_ERROR_BYTES

__all__ = ["failure", "login_hint"]

_CORRUPT = frozenset({"DIGEST_INVALID", "SIZE_INVALID", "MANIFEST_INVALID", "BLOB_UPLOAD_INVALID"})

_CERTIFICATE_PAGES = ("No required SSL certificate was sent", "The SSL certificate error")
_NOT_SEEN = "check the name; some registries say this of what the login may not see"


def failure(response: Response, doing: str, *, registry: str, hint: str = "") -> LadingError:
    """Reads and closes an error answer; returns what to raise.

    Args:
        response: an answer nobody can go on with.
        doing: the attempt, as in "push sha256:… to localhost:5000/app".
        registry: for a hint about logging in.
        hint: what to do about a login that does not suffice.
    """
    data = _body(response)
    code, message = _first_error(data)
    certificate = _certificate_page(data) if response.status == 400 else ""
    message = message or certificate
    said = " ".join(word for word in (str(response.status), code) if word)
    text = f"cannot {doing}: {response.request.origin} says {said}"
    if message:
        text += f" ({message})"
    status = response.status
    if certificate:
        return DeniedError(text, fix=_keep_certificate(response.request))
    if status == 403:
        return DeniedError(text, fix=hint)
    if status == 401:
        login = login_hint(registry)
        return DeniedError(text, fix=f"{hint}; {login}" if hint not in ("", login) else login)
    if status == 404:
        return NotFoundError(text, fix=_NOT_SEEN)
    if status in (409, 412):
        return ConflictError(text)
    if status == 413:
        return LimitError(text, fix="if a proxy limits the size of requests, try --chunk=4M")
    if status == 405:
        return InputError(text, fix="the registry does not support this")
    if status in (408, 425, 429) or status >= 500:
        asked = asked_for(response)
        return UnreachableError(text, fix=f"it asks to come back in {asked:.0f} s" if asked else "")
    if status == 400 and _may_want_certificate(response):
        keep = _keep_certificate(response.request)
        return InputError(text, fix=f"if it wants a client certificate, {keep}")
    return CorruptError(text) if code in _CORRUPT else InputError(text)


def login_hint(registry: str) -> str:
    """How to log in to `registry`."""
    return (
        f"log in: docker login {registry}, or bazel run @lading//tools:registry -- login {registry}"
        " --username=NAME <PASSWORD_FILE"
    )


def _body(response: Response) -> bytes:
    try:
        return response.read(MAX_ERROR_BYTES)
    except (LadingError, TransportError):
        return b""
    finally:
        response.close()


def _certificate_page(data: bytes) -> str:
    """What nginx says of a client certificate that is missing or unfit: 400, and a page."""
    return next((words for words in _CERTIFICATE_PAGES if f"400 {words}".encode() in data), "")


def _may_want_certificate(response: Response) -> bool:
    """Whether that page may be what a HEAD has been answered without."""
    kind = response.header("Content-Type").partition(";")[0]
    request = response.request
    asked = (request.method, request.origin.scheme, kind) == ("HEAD", "https", "text/html")
    return asked and request.nearest is None


def _keep_certificate(request: Request) -> str:
    from lading.http.trust import keep_certificate

    # Where a redirect leads, nobody says who we are.
    return keep_certificate(request.origin) if request.nearest is None else ""


def _first_error(data: bytes) -> tuple[str, str]:
    """The first error's code and message, cut and cleaned for a terminal."""
    try:
        value = document.loads_object(data, what="an error answer")
        errors = value.get("errors")
        first = errors[0] if isinstance(errors, list) and errors else {}
        if not isinstance(first, dict):
            return "", ""
        return _clean(first.get("code"), 40), _clean(first.get("message"), 160)
    except LadingError:
        return "", ""


def _clean(value: object, length: int) -> str:
    if not isinstance(value, str):
        return ""
    text = "".join(char if char.isprintable() else " " for char in value)
    return " ".join(text.split())[:length]
