"""Stardoc's renderer, run by the root's own Java.

Debian's is a java_binary, whose toolchain would be downloaded.
"""

import os
import sys

JAR = os.path.join(os.path.dirname(os.path.realpath(__file__)), "renderer_prebuilt.jar")
MAIN = "com.google.devtools.build.stardoc.renderer.RendererMain"
os.execv("/usr/bin/java", ["java", "-cp", JAR, MAIN, *sys.argv[1:]])  # noqa: S606
