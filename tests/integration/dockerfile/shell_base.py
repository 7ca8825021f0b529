"""A small base image with a shell, made of this machine's own programs.

The images of //images have no shell, and RUN wants one. Nothing is downloaded.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from lading.layer.build import LayerRequest, build_layer
from lading.oci import document, layout, manifest, media_types
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from tests.integration.harness import programs

__all__ = ["PLATFORM", "shell_base"]

PLATFORM = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
_PROGRAMS = (
    "cat",
    "chmod",
    "chown",
    "cp",
    "date",
    "ln",
    "mkdir",
    "mv",
    "rm",
    "sleep",
    "touch",
    "wc",
)


def shell_base(directory: Path) -> Path:
    """Writes an OCI layout of the base into `directory` and returns that."""
    programs.need("sh", *_PROGRAMS)
    sources = [f"D\t/{name}" for name in ("etc", "root", "tmp", "usr/share/data")]
    libraries: set[str] = set()
    for name in ("sh", *_PROGRAMS):
        path = os.path.realpath(shutil.which(name) or name)
        sources.append(f"F\t/bin/{name}\t{path}")
        listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
        libraries.update(re.findall(r"(/\S+) \(0x", listed))
    # Under the names that programs look for them by; the files behind may be links.
    sources += [f"F\t{name}\t{os.path.realpath(name)}" for name in sorted(libraries)]
    for path, text in {
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
        "etc/base-file": "of the base\n",
        "usr/share/data/kept": "kept\n",
        "usr/share/data/removed": "removed\n",
        "usr/share/old/gone": "replaced with its directory\n",
        "usr/share/old/sub/gone": "the same\n",
    }.items():
        file = directory.parent / path.replace("/", "_")
        file.write_text(text)
        file.chmod(0o644)
        sources.append(f"F\t/{path}\t{file}")
        sources.append(f"M\t/{path}\t" + '{"mode":"0644"}')
    (directory / "blobs" / "sha256").mkdir(parents=True)
    blob = build_layer(LayerRequest(str(directory / "layer"), sources))
    (directory / "layer").rename(directory / layout.blob_name(Digest.parse(blob.digest)))
    config = document.dumps(
        {
            "architecture": PLATFORM,
            "os": "linux",
            "created": "2020-01-01T00:00:00Z",
            "config": {"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"]},
            "rootfs": {"type": "layers", "diff_ids": [blob.diff_id]},
            "history": [{"created": "2020-01-01T00:00:00Z", "created_by": "a test"}],
        }
    )
    body = manifest.assemble(
        config=_put(directory, media_types.CONFIG, config).to_json(),
        layers=[{"mediaType": media_types.LAYER_GZIP, "digest": blob.digest, "size": blob.size}],
        annotations={},
        artifact_type="",
        subject=None,
        what="the base",
    )
    root = _put(directory, media_types.MANIFEST, body)
    (directory / layout.INDEX_FILE).write_bytes(layout.LayoutIndex((root,)).dumps())
    (directory / layout.MARKER_FILE).write_bytes(layout.MARKER)
    return directory


def _put(directory: Path, media_type: str, data: bytes) -> Descriptor:
    descriptor = Descriptor.of(media_type, data)
    (directory / layout.blob_name(descriptor.digest)).write_bytes(data)
    return descriptor
