#!/usr/bin/env python3
"""Starts a lading command with its deploy specification. Generated; see rules/private/deploy.bzl."""

import os
import sys


def runfiles_dir():
    own = os.path.abspath(sys.argv[0]) + ".runfiles"
    if os.path.isdir(own):
        return own
    # As a data dependency of another program, the launcher lies inside that one's runfiles.
    head, inside, _ = os.path.abspath(sys.argv[0]).rpartition(".runfiles" + os.sep)
    if inside:
        return head + ".runfiles"
    return os.environ.get("RUNFILES_DIR", "")


runfiles = runfiles_dir()
tool = os.path.join(runfiles, "%{tool}")
if not os.path.isfile(tool):
    sys.exit(f"lading: no runfiles beside {sys.argv[0]}: run it with `bazel run`, or build it first")
os.environ["RUNFILES_DIR"] = runfiles
spec = os.path.join(runfiles, "%{spec}")
os.execv(tool, [tool, f"--spec={spec}", f"--runfiles={runfiles}", *sys.argv[1:]])
