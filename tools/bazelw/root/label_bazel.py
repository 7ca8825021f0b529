"""Tells Debian's Bazel its version, which its packaging leaves out of the server's archive.

Without it `bazel version` fails, and `bazel_compatibility` and bazel_features see no version.
Runs inside the root, before anything of it is used.
"""

import pathlib
import zipfile

share = pathlib.Path("/usr/share/bazel")
label = (share / "build-label.txt").read_text("ascii").strip()
with zipfile.ZipFile(share / "A-server.jar", "a") as server:
    if "build-data.properties" not in server.namelist():
        server.writestr("build-data.properties", f"build.label={label}\n")
