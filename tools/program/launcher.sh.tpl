#!/bin/sh
# Starts a program of lading's. Generated; see tools/program/program.bzl.
found() {
    runfiles=$1
    [ -f "$runfiles"/@MAIN@ ]
}
case $0 in
/*) self=$0 ;;
*) self=$PWD/$0 ;;
esac
# Beside it, or around it, where it is a data dependency of another program; or where a link leads.
until found "$self.runfiles" || found "${self%.runfiles/*}.runfiles"; do
    if [ -L "$self" ]; then
        link=$(readlink "$self")
        case $link in
        /*) self=$link ;;
        *) self=${self%/*}/$link ;;
        esac
    elif found "${RUNFILES_DIR-}"; then
        break
    else
        echo "lading: no runfiles beside $0: run it with \`bazel run\`, or build it first" >&2
        exit 1
    fi
done
exec @INTERPRETER@ -I -S -X utf8 "$runfiles"/@MAIN@ @ARGUMENTS@
