#!/bin/sh
# Starts a lading command with its deploy specification. Generated; see rules/private/deploy.bzl.
case $0 in
/*) self=$0 ;;
*) self=$PWD/$0 ;;
esac
if [ -d "$self.runfiles" ]; then
    runfiles=$self.runfiles
else
    # As a data dependency of another program, the launcher lies inside that one's runfiles.
    case $self in
    *.runfiles/*) runfiles=${self%.runfiles/*}.runfiles ;;
    *) runfiles=${RUNFILES_DIR-} ;;
    esac
fi
if ! [ -f "$runfiles"/@SPEC@ ]; then
    echo "lading: no runfiles beside $0: run it with \`bazel run\`, or build it first" >&2
    exit 1
fi
export RUNFILES_DIR="$runfiles"
exec @COMMAND@ --spec="$runfiles"/@SPEC@ --runfiles="$runfiles" "$@"
