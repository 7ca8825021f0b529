"""Rewrites a layout into the form that rules_oci's `oci_image` leaves: ORIGINAL OUTPUT.

Its index.json has neither schemaVersion nor platforms, and blobs that exist elsewhere are relative
symbolic links out of the directory. An imitation: rules_oci itself cannot be fetched here.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path


def main() -> None:
    original, output = Path(sys.argv[1]), Path(sys.argv[2])
    blobs = output / "blobs/sha256"
    blobs.mkdir(parents=True)
    for blob in (original / "blobs/sha256").iterdir():
        if blob.read_bytes()[:1] == b"{":
            # Manifests and configs are its own.
            shutil.copyfile(blob, blobs / blob.name)
        else:
            os.symlink(os.path.relpath(blob.absolute(), blobs.absolute()), blobs / blob.name)
    index = json.loads((original / "index.json").read_bytes())
    manifests = [
        {key: item[key] for key in ("mediaType", "digest", "size")} for item in index["manifests"]
    ]
    (output / "index.json").write_text(json.dumps({"manifests": manifests}, indent=2))
    shutil.copyfile(original / "oci-layout", output / "oci-layout")


if __name__ == "__main__":
    main()
