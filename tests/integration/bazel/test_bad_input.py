"""What a user of the rules gets wrong is said in a line or two that name it (issue: bad input).

A workspace of its own depends on lading, as a user's would.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.harness.nested_bazel import NestedBazel, nested_bazel, shop_module

_LOADED = '"image", "image_from_binary", "image_layer", "image_push"'
_PACKAGE = "hello_2.10-5_amd64.deb"
_LOCK = {
    "format": 1,
    "suite": "trixie",
    "sets": {"tools": {"amd64": ["hello"], "arm64": ["hello"]}},
    "layers": {"tools": {"all": ["hello"]}},
    "packages": {
        architecture: {
            "hello": {
                "archive": "debian",
                "path": f"pool/main/h/hello/{_PACKAGE}",
                "sha256": "a" * 64,
                "size": 1,
                "version": "2.10-5",
            }
        }
        for architecture in ("amd64", "arm64")
    },
}


@pytest.fixture(scope="module")
def shop() -> Iterator[NestedBazel]:
    """A user's workspace, whose path has a space."""
    scratch = Path(tempfile.mkdtemp(prefix="lading-", dir=os.environ["TEST_TMPDIR"]))
    directory = scratch / "the shop"
    directory.mkdir()
    (directory / "MODULE.bazel").write_text(shop_module())
    (directory / "lock.json").write_text(json.dumps(_LOCK))
    (directory / "BUILD.bazel").write_text("")
    (directory / "hello.txt").write_text("hello")
    with nested_bazel(scratch / "output", directory=directory) as bazel:
        yield bazel


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A Debian mirror on loopback: its address, and the directory that it serves."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/debian", tmp_path / "debian"
        server.shutdown()
        thread.join()


def _build(shop: NestedBazel, text: str) -> str:
    (shop.directory / "BUILD.bazel").write_text(
        f'load("@lading//rules:defs.bzl", {_LOADED})\n{text}\n'
    )
    done = shop.run("build", "--color=no", "--curses=no", "--show_progress=no", "//:all", "-k")
    assert done.returncode == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            'image(name = "bad", base = ":nothing")',
            "in base attribute of image_manifest rule //:bad: rule '//:nothing' does not",
        ),
        (
            'image_layer(name = "bad", srcs = {"/a": "nothing.txt"})',
            "missing input file '//:nothing.txt'",
        ),
        (
            'image_layer(name = "bad", compress = "lzma")',
            "'compress' attribute: has to be one of 'auto', 'gzip', 'none' or 'zstd' instead of",
        ),
        ('image_layer(name = "bad", src = {})', "no such attribute 'src' in 'image_layer' rule"),
        (
            'image_layer(name = "bad", srcs = {"/a/../../b": "hello.txt"})',
            """srcs["/a/../../b"]: the path "/a/../../b" has a '..' component. Write the path""",
        ),
        (
            'image(name = "bad", repository = "Team/App")',
            """//:bad.push, repository: "Team/App" has a component that does not start""",
        ),
        (
            'image_from_binary(name = "bad", binary = ":x", platforms = select({":y": []}))',
            'platforms do not say how many they are; add kind = "index"',
        ),
    ],
    ids=["base", "source", "compression", "attribute", "path", "repository", "select"],
)
def test_a_mistake_in_a_build_file_is_named(shop: NestedBazel, text: str, says: str) -> None:
    assert says in _build(shop, text)


@pytest.mark.parametrize(
    ("lock", "says"),
    [
        (None, "//:lock.json does not exist"),
        ("{", "//:lock.json is not a lock of Debian packages in format 1"),
    ],
    ids=["missing", "damaged"],
)
def test_without_a_lock_the_command_that_writes_it_can_run(
    shop: NestedBazel, lock: str | None, says: str
) -> None:
    file = shop.directory / "lock.json"
    file.unlink()
    if lock is not None:
        file.write_text(lock)
    try:
        used = shop.run("build", "--color=no", "@debian//:tools")
        named = shop.run("build", "--nobuild", "@lading//images:lock")
    finally:
        file.write_text(json.dumps(_LOCK))
    assert f"{says}\n  run: bazel run @lading//images:lock" in used.stderr
    assert named.returncode == 0, named.stderr


def _fetch(shop: NestedBazel, mirror: str) -> str:
    done = shop.run(
        "build",
        "--color=no",
        "--curses=no",
        "--show_progress=no",
        "--repository_cache=",
        "--http_connector_attempts=1",
        f"--repo_env=LADING_DEBIAN_MIRROR={mirror}",
        "@debian//:tools",
    )
    assert done.returncode == 1, done.stderr
    return done.stderr


def test_a_mirror_that_does_not_answer_is_named(shop: NestedBazel) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/debian"
        said = _fetch(shop, address)
    assert f"{_PACKAGE} cannot be fetched: {address} does not answer" in said
    assert "set LADING_DEBIAN_MIRROR" in said


def test_a_package_that_is_gone_is_named_with_the_command_that_locks_anew(
    shop: NestedBazel, mirror: tuple[str, Path]
) -> None:
    address, directory = mirror
    (directory / "dists/trixie").mkdir(parents=True)
    (directory / "dists/trixie/InRelease").write_text("Suite: trixie")
    said = _fetch(shop, address)
    assert f"{_PACKAGE} is gone from the Debian mirror" in said
    assert "run: bazel run @lading//images:lock" in said


def test_a_package_with_other_bytes_is_refused(shop: NestedBazel, mirror: tuple[str, Path]) -> None:
    address, directory = mirror
    package = directory / "pool/main/h/hello" / _PACKAGE
    package.parent.mkdir(parents=True)
    package.write_bytes(b"other")
    said = _fetch(shop, address)
    assert f"{_PACKAGE} of the mirror has sha256 " in said
    assert "not aaaaaaaaaaaaaaaa... as locked" in said
