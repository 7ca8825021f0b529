"""What the scripts against the client share: a secret, places it must not reach, and attempts."""

from __future__ import annotations

import base64
from collections.abc import Callable

from lading.errors import LadingError
from lading.oci.content import children
from lading.registry import manifests
from lading.registry.content import RegistryContent
from lading.registry.push import Job, Pusher
from lading.registry.session import Session
from tests.registry_server import images
from tests.registry_server.server import Server

__all__ = ["BASIC", "PLACES", "SECRET", "USER", "attempt", "place", "pull", "push"]

SECRET = "sentinel-7f3a9c"
USER = "me"
BASIC = base64.b64encode(f"{USER}:{SECRET}".encode()).decode()


def attempt(action: Callable[[], object]) -> LadingError | None:
    error = None
    try:
        action()
    except LadingError as caught:
        error = caught
    assert SECRET not in str(error)
    assert BASIC not in str(error)
    assert len(str(error).splitlines()) <= 2
    return error


def push(session: Session, server: Server, image: images.Image, name: str = "app") -> None:
    repository = session.repository(server.address, name)
    Pusher().run([Job(image.root, image.content, repository, ("latest",))])


def pull(session: Session, server: Server, name: str = "app") -> None:
    repository = session.repository(server.address, name)
    content = RegistryContent(repository)
    root, data = manifests.get(repository, "latest")
    for child in children(root.media_type, data, what="it"):
        with content.open(child) as stream:
            while stream.read(100_000):
                pass


PLACES = {
    "absolute": "http://{other}/take",
    "without a scheme": "//{other}/take",
    "with our name as user": "http://{own}@{other}/take",
    "with a password": f"http://{USER}:{SECRET}@{{other}}/take",
    "with our name as path": "http://{other}/{own}/v2/app/blobs/uploads/1",
    "with a fragment": "http://{other}/take#{own}",
    "with a query": "http://{other}/take?x={own}",
    "localhost": "http://localhost:{port}/take",
    "upper case": "HTTP://{other}/take",
    "backslash": "http:\\\\{other}\\take",
    "tab": "http://{other}/\ttake",
    "IPv4 in one number": "http://2130706433:{port}/take",
    "IPv6": "http://[::ffff:127.0.0.1]:{port}/take",
    "another port": "http://127.0.0.1:{port}/v2/app/x",
    "trailing dot": "http://localhost.:{port}/take",
    "https": "https://{other}/take",
    "file": "file:///etc/passwd",
    "ftp": "ftp://{other}/take",
    "data": "data:text/plain,x",
    "port 0": "http://127.0.0.1:0/",
    "huge port": "http://127.0.0.1:99999/",
}


def place(name: str, server: Server, other: Server) -> str:
    port = other.address.partition(":")[2]
    return PLACES[name].format(other=other.address, own=server.address, port=port)
