#!/bin/sh
echo "hello $STAGE $*"
