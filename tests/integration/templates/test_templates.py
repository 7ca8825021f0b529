"""Every template starts in a real engine and does what it is for, as its user (S0.2)."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.harness import programs, servers
from tests.integration.harness.launchers import launch, runfile
from tests.integration.templates.png import decode

_PAGE = """<!doctype html><title>A page</title>
<body style="margin: 0; background: #0000ff">
<div style="width: 200px; height: 100px; background: #ff0000"></div>
<p style="color: #00ff00; font: 40px sans-serif">Lading</p>"""
_RED, _GREEN, _BLUE = b"\xff\0\0", b"\0\xff\0", b"\0\0\xff"

_PYTHON = """
import json, locale, os, ssl, sys, time, zoneinfo, ctypes, sqlite3, bz2, lzma, readline
import http.client, tempfile
http.client.HTTPSConnection('localhost', context=ssl.create_default_context())
locale.setlocale(locale.LC_ALL, '')
with tempfile.TemporaryFile() as file:
    file.write(b'/tmp can be written')
summer = zoneinfo.ZoneInfo('Europe/Berlin').utcoffset(__import__('datetime').datetime(2026, 7, 1))
print(json.dumps({
    'version': sys.version_info[:2], 'authorities': ssl.create_default_context().cert_store_stats(),
    'hours': summer.total_seconds() / 3600, 'encoding': locale.getencoding(), 'user': os.getuid(),
    'home': os.access(os.path.expanduser('~'), os.W_OK)}))
"""

Start = Callable[..., str]


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with servers.docker_daemon() as address:
        yield address


@pytest.fixture(scope="module")
def reference(host: str) -> Iterator[Callable[[str], str]]:
    """Loads a template once; they are gone from the engine in the end."""
    env = {"DOCKER_HOST": host}
    loaded: dict[str, str] = {}

    def load(name: str) -> str:
        if name not in loaded:
            result = launch(f"tests/integration/templates/load_{name}", env=env)
            loaded[name] = result["references"][0]
        return loaded[name]

    try:
        yield load
    finally:
        if loaded:
            programs.run(["docker", "image", "rm", "--force", *loaded.values()], env=env)


@pytest.fixture
def start(host: str, reference: Callable[[str], str]) -> Start:
    """Runs a command in a template, and returns what it prints."""

    def run(name: str, *command: str, options: tuple[str, ...] = ("--network=none",)) -> str:
        words = ["docker", "run", "--rm", *options, reference(name), *command]
        return programs.run(words, env={"DOCKER_HOST": host})

    return run


@pytest.mark.parametrize("linked", ["dynamic", "static"])
def test_minimal_runs_a_program(start: Start, linked: str) -> None:
    arguments = ["a"] if linked == "static" else []
    assert start(linked, *arguments).split()[-1] == "a"


def test_the_loader_finds_libraries_in_the_cache(
    host: str, reference: Callable[[str], str]
) -> None:
    words = ["docker", "run", "--rm", "--network=none", "--env=LD_DEBUG=libs", reference("dynamic")]
    result = subprocess.run(
        words, env={**os.environ, "DOCKER_HOST": host}, capture_output=True, text=True, check=True
    )
    assert "search cache=/etc/ld.so.cache" in result.stderr
    assert "trying file=/lib/x86_64-linux-gnu/libc.so.6" in result.stderr
    assert "search path=" not in result.stderr, "everything was in the cache"


@pytest.mark.parametrize("name", ["dynamic", "python"])
def test_templates_have_no_shell(host: str, reference: Callable[[str], str], name: str) -> None:
    words = ["docker", "run", "--rm", "--network=none", "--entrypoint=/bin/sh", reference(name)]
    result = subprocess.run(
        words, env={**os.environ, "DOCKER_HOST": host}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 127
    assert "no such file or directory" in result.stderr


def test_debug_templates_have_a_shell_and_tools(start: Start) -> None:
    applets = set(runfile("images/applets.bzl").read_text().split('"')[7::2])
    assert len(applets) > 70
    script = f"id -u; id -un; for name in {' '.join(applets)}; do which $name; done; busybox --list"
    user, name, *words = start("minimal_debug", "sh", "-c", script).split()
    assert (user, name) == ("65532", "nonroot")
    found, known = words[: len(applets)], set(words[len(applets) :])
    assert {path.rpartition("/")[2] for path in found} == applets
    assert applets <= known


def test_python_has_certificates_time_zones_a_locale_and_its_library(start: Start) -> None:
    shown = json.loads(start("python", "python", "-c", _PYTHON))
    assert shown["version"] == [3, 13]
    assert shown["authorities"]["x509_ca"] > 100
    assert shown["hours"] == 2
    assert shown["encoding"] == "UTF-8"
    assert shown["user"] == 65532
    assert shown["home"]


def test_a_development_image_has_its_python_packages(start: Start) -> None:
    assert start("python_dev") == "report in /workspace\n"


def test_node_prints_its_version_and_a_development_image_serves_http(
    host: str, start: Start
) -> None:
    assert start("node_dev", "sh", "-c", "js --version").startswith("v20.")
    port = servers.free_port()
    options = ("--detach", "--network=host", f"--env=PORT={port}")
    container = start("node_dev", options=options).strip()
    try:
        servers.wait_until(lambda: _get(port) is not None, what="an answer of node")
        shown = json.loads(_get(port) or b"")
        assert shown.pop("version").startswith("v20.")
        assert shown.pop("authorities") > 100
        assert shown == {
            "directory": "/workspace",
            "generated": "generated",
            "padded": "  x",
            "user": 65532,
            "zone": "Donnerstag, 1. Januar 1970",
        }
    finally:
        programs.run(["docker", "rm", "--force", container], env={"DOCKER_HOST": host})


def test_npm_installs_in_a_development_image(start: Start) -> None:
    script = """set -e
mkdir -p /tmp/dep && cd /tmp/dep
echo '{"name": "dep", "version": "1.2.3", "main": "dep.js"}' >package.json
echo 'module.exports = "installed"' >dep.js
npm pack --silent
mkdir /workspace/npm && cd /workspace/npm
echo 'console.log(require("dep"))' >show.js
echo '{"name": "a", "private": true, "scripts": {"show": "node show.js"}}' >package.json
npm install --offline --no-audit --no-fund --silent /tmp/dep/dep-1.2.3.tgz
rm -rf node_modules
npm ci --offline --no-audit --no-fund --silent
npm run --silent show
"""
    assert start("node_dev", "sh", "-c", script).splitlines()[-1] == "installed"


def test_chromium_renders_a_page_without_a_screen(start: Start, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(_PAGE)
    output = tmp_path / "output"
    output.mkdir()
    output.chmod(0o777)
    start(
        "nodejs_browser",
        "chromium",
        "--headless",
        # Docker's seccomp profile forbids the name spaces that the sandbox is made of.
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--window-size=400,300",
        "--screenshot=/output/page.png",
        "file:///input/page.html",
        options=(
            "--network=none",
            f"--volume={tmp_path / 'page.html'}:/input/page.html:ro",
            f"--volume={output}:/output",
        ),
    )
    assert (output / "page.png").stat().st_uid == 65532
    picture = decode((output / "page.png").read_bytes())
    assert (picture.width, picture.height) == (400, 300)
    assert picture.at(100, 50) == _RED
    assert picture.at(399, 299) == _BLUE
    text = [picture.at(x, y) for x in range(200) for y in range(120, 200)]
    assert 100 < text.count(_GREEN) < len(text) / 2, "text, with a font"


def _get(port: int) -> bytes | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return bytes(answer.read())
    except (urllib.error.URLError, OSError):
        return None
