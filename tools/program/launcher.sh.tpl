#!/bin/sh
# Starts a program of lading's. Generated; see tools/program/program.bzl.
if [ -d "$0.runfiles" ]; then
    runfiles=$0.runfiles
else
    # As a data dependency of another program, it lies inside that one's runfiles.
    case $0 in
    *.runfiles/*) runfiles=${0%.runfiles/*}.runfiles ;;
    *) runfiles=${RUNFILES_DIR:?"no runfiles beside $0: run it with bazel run, or build it first"} ;;
    esac
fi
exec "%{interpreter}" -I -S -X utf8 "$runfiles/%{main}" "$@"
