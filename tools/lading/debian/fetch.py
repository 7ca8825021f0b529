"""Reads files of a Debian mirror over http, https or file addresses, whole and bounded."""

from __future__ import annotations

import base64
import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence

from lading.errors import LadingError, LimitError, NotFoundError, UnreachableError

__all__ = ["fetch"]

_TIMEOUT = 60.0  # seconds without a byte
_PAUSES = (0.2, 1.0)  # seconds before the second and the third attempt
_GONE = {403, 404, 410}


def fetch(mirrors: Sequence[str], path: str, *, limit: int) -> bytes:
    """The file at `path` below the first of `mirrors` that has it, at most `limit` bytes.

    What comes back is not trusted: the caller checks a signature or a hash.

    Raises:
        NotFoundError: every mirror answers that there is no such file.
        UnreachableError: a mirror does not answer, or breaks off, three times.
        LimitError: the file is longer than `limit`.
    """
    failure: LadingError = NotFoundError(f"no mirror to fetch {path} from")
    for mirror in mirrors:
        try:
            return _fetch_from(mirror, path, limit)
        except UnreachableError as error:
            failure = error
        except NotFoundError as error:
            # That one mirror lacks it says less than that another could not be asked.
            if not isinstance(failure, UnreachableError):
                failure = error
    raise failure


def _fetch_from(mirror: str, path: str, limit: int) -> bytes:
    request = _request(f"{mirror}/{path}")
    url = request.full_url
    cause: Exception | None = None
    for pause in (0.0, *_PAUSES):
        time.sleep(pause)
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310 - sources.py allows three schemes
                return _read(answer, url, limit)
        except urllib.error.HTTPError as error:
            with error:
                cause = error
            if error.code in _GONE:
                raise NotFoundError(f"{url} is not there (HTTP {error.code})") from None
            if error.code < 500 and error.code not in {408, 429}:
                break
        except urllib.error.URLError as error:
            if isinstance(error.reason, FileNotFoundError):
                raise NotFoundError(f"{url} is not there") from None
            cause = error
        except (OSError, http.client.HTTPException) as error:
            cause = error
    reason = getattr(cause, "reason", None) or cause
    raise UnreachableError(
        f"the Debian mirror does not give {url}: {reason}",
        fix="check the network, or set LADING_DEBIAN_MIRROR to another mirror's base address",
    ) from cause


def _request(url: str) -> urllib.request.Request:
    """The request for an address, without the login that may stand in it, as apt's sources allow.

    The login is sent to that host only, not to where it redirects, and no message shows it.
    """
    parts = urllib.parse.urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(parts._replace(netloc=host).geturl())  # noqa: S310
    if at:
        name, _, password = login.partition(":")
        words = f"{urllib.parse.unquote(name)}:{urllib.parse.unquote(password)}"
        token = base64.b64encode(words.encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return request


def _read(answer: http.client.HTTPResponse, url: str, limit: int) -> bytes:
    """The whole body; a body shorter than announced raises http.client.IncompleteRead."""
    pieces = []
    size = 0
    while piece := answer.read(1 << 20):
        size += len(piece)
        if size > limit:
            raise LimitError(f"{url} is longer than {limit} bytes")
        pieces.append(piece)
    announced = answer.headers.get("Content-Length")
    # read(n) of a connection that breaks off returns what there was, without an error.
    if announced is not None and announced.isdigit() and int(announced) != size:
        raise http.client.IncompleteRead(b"", int(announced) - size)
    return b"".join(pieces)
