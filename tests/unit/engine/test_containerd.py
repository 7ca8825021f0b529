"""What lading does when `ctr` fails while an image goes into it; `ctr` is a stand-in."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pytest

from lading.engine.containerd import Containerd
from lading.engine.engine import Sent
from lading.errors import CorruptError, EngineError
from lading.oci.descriptor import Descriptor
from lading.store import image as images
from tests.unit.store import tiny

_CTR = """#!{python}
import sys
if "import" in sys.argv:
{body}
"""
_LARGE = os.urandom(4 << 20)


@pytest.fixture
def containerd(tmp_path: Path) -> Containerd:
    (tmp_path / "socket").touch()
    return Containerd(f"unix://{tmp_path}/socket", {})


def _ctr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    program = tmp_path / "ctr"
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    program.write_text(_CTR.format(python=sys.executable, body=lines))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


def _image() -> tuple[tiny.MemoryContent, images.Image]:
    content = tiny.MemoryContent()
    return content, images.read(content, tiny.image(content, [tiny.layer({"a": _LARGE}, "none")]))


def test_what_it_says_at_length_does_not_stop_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, containerd: Containerd
) -> None:
    """More than a pipe holds, before it reads a byte of the image."""
    body = (
        'sys.stderr.write("warning\\n" * 100000)\n'
        "sys.stderr.flush()\n"
        f'open("{tmp_path}/image", "wb").write(sys.stdin.buffer.read())'
    )
    _ctr(tmp_path, monkeypatch, body)
    content, image = _image()
    containerd.send(content, image, lambda done, total: None, Sent())
    assert _LARGE in (tmp_path / "image").read_bytes()


@pytest.mark.filterwarnings("error")
def test_it_says_why_it_takes_no_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, containerd: Containerd
) -> None:
    _ctr(tmp_path, monkeypatch, 'sys.exit("ctr: no space left on device")')
    content, image = _image()
    with pytest.raises(EngineError, match="refused the image: no space left on device"):
        containerd.send(content, image, lambda done, total: None, Sent())
    gc.collect()


@pytest.mark.filterwarnings("error")
def test_an_image_that_breaks_off_is_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, containerd: Containerd
) -> None:
    """`ctr` is ended, so that it never finds half an image to be a whole one."""
    body = f'sys.stdin.buffer.read()\nopen("{tmp_path}/loaded", "w")'
    _ctr(tmp_path, monkeypatch, body)
    content, image = _image()
    layer: Descriptor = image.layers[0]
    content.blobs[layer.digest] = _LARGE[:1000]
    with pytest.raises(CorruptError):
        containerd.send(content, image, lambda done, total: None, Sent())
    assert not (tmp_path / "loaded").exists()
    gc.collect()


def test_what_runs_in_any_namespace_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, containerd: Containerd
) -> None:
    """Loaded for Kubernetes, and the cleanup asks without CONTAINERD_NAMESPACE (S1.7)."""
    running, idle = (f"sha256:{digit * 64}" for digit in "12")
    _ctr(tmp_path, monkeypatch, "pass")
    (tmp_path / "ctr").write_text(
        f"""#!{sys.executable}
import sys
namespace, words = sys.argv[4], sys.argv[5:]
if words[0] == "namespaces":
    print("default", "k8s.io", sep="\\n")
elif words[0] == "containers":
    print("CONTAINER IMAGE RUNTIME")
    if namespace == "k8s.io":
        print("one team/app:v1 runc", "two - runc", sep="\\n")
elif namespace == "k8s.io":
    print("REF TYPE DIGEST")
    print("team/app:v1 type {running}", "team/app:v0 type {idle}", sep="\\n")
else:
    print("REF TYPE DIGEST")
    print("team/app:v1 type {idle}")
"""
    )
    assert {str(digest) for digest in containerd.used()} == {running}
