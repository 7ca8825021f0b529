#!/bin/sh
# Runs a program inside the Debian root:  enter.sh ROOT PROGRAM [ARGUMENT…]
#
# The root gives /usr and /etc, read-only. Everything else is the host's own (/home, /tmp, /run,
# /var, the workspace wherever it is), under the same path, so what Bazel prints and what
# `bazel run` starts means the same on both sides, sockets of container engines included.
#
# bwrap forwards no signals, so this script stays, hands them on, and ends with the program's status.
set -eu

root=$1
shift
program=$1
shift

# The host's view of names, users and trust. bwrap cannot create mount points in a read-only
# directory, so build.sh made each of these files in the root.
host_files="resolv.conf hosts hostname passwd group subuid subgid localtime pip.conf
ssl/certs/ca-certificates.crt ssl/certs/java/cacerts"

# Variables that point into the host's /usr, which is not there any more.
host_variables="BAZEL BAZEL_REAL CC CXX JAVA_HOME LD_LIBRARY_PATH LD_PRELOAD PERL5LIB
PYTHONHOME PYTHONPATH PYTHONSTARTUP PYENV_ROOT PYENV_VERSION PYENV_SHELL VIRTUAL_ENV"

# Variables that name one file or directory, useful only when it is visible inside.
file_variables="CURL_CA_BUNDLE GIT_SSL_CAINFO NODE_EXTRA_CA_CERTS PIP_CERT REQUESTS_CA_BUNDLE
SSL_CERT_DIR SSL_CERT_FILE"

case $PWD/ in
/usr/* | /etc/*)
    echo "bazelw: Bazel runs in a root of its own and cannot see $PWD. Move the checkout out of /usr and /etc." >&2
    exit 1
    ;;
esac

# From here on "$@" is bwrap's command line; PROGRAM's arguments come first and are moved to its end.
count=$#
set -- "$@" --tmpfs / --ro-bind "$root/usr" /usr --ro-bind "$root/etc" /etc \
    --dev-bind /dev /dev --bind /proc /proc --bind /sys /sys \
    --die-with-parent --chdir "$PWD" --setenv PATH /usr/bin:/bin:/usr/sbin:/sbin
# /proc is bound, not mounted anew: Bazel's linux-sandbox has to be able to mount one itself.

for link in "$root"/bin "$root"/sbin "$root"/lib*; do
    [ -L "$link" ] && set -- "$@" --symlink "usr/${link##*/}" "/${link##*/}"
done
for directory in /* /.[!.]*; do
    case $directory in
    /bin | /boot | /dev | /etc | /lib* | /lost+found | /proc | /sbin | /sys | /usr) ;;
    *)
        if [ -L "$directory" ]; then
            set -- "$@" --symlink "$(readlink "$directory")" "$directory"
        elif [ -d "$directory" ]; then
            set -- "$@" --bind "$directory" "$directory"
        fi
        ;;
    esac
done
for file in $host_files; do
    if [ -e "/etc/$file" ] && [ -e "$root/etc/$file" ]; then
        set -- "$@" --ro-bind "/etc/$file" "/etc/$file"
    fi
done
for variable in $host_variables; do
    set -- "$@" --unsetenv "$variable"
done
for variable in $file_variables; do
    value=
    eval "value=\${$variable-}"
    case $value in
    /usr/* | /etc/*) [ -e "$root$value" ] || set -- "$@" --unsetenv "$variable" ;;
    esac
done

# Last: what is new in / would be kept in memory, and lost with the program.
set -- "$@" --remount-ro /

# A background job of a shell ignores INT and QUIT; the program must not inherit that.
set -- "$@" -- /usr/bin/env --default-signal=INT,QUIT "$program"
while [ "$count" -gt 0 ]; do
    set -- "$@" "$1"
    shift
    count=$((count - 1))
done

# forward SIGNAL: to the program, which is the only child of bwrap.
# shellcheck disable=SC2329 # the traps below call it
forward() {
    read -r stat <"/proc/$$/stat" || return 0
    # shellcheck disable=SC2086 # fields of proc_pid_stat(5): state ppid pgrp session tty tpgid
    set -- "$1" ${stat##*) }
    case $1 in
    # A terminal sends these to the whole foreground group, the program included.
    INT | QUIT) [ "$4" != "$7" ] || return 0 ;;
    esac
    read -r children <"/proc/$bwrap/task/$bwrap/children" || :
    # shellcheck disable=SC2086
    kill -s "$1" ${children:-$bwrap} 2>/dev/null || :
}
bwrap=
for signal in HUP INT QUIT TERM USR1 USR2; do
    # shellcheck disable=SC2064
    trap "forward $signal" "$signal"
done

# The shell gives a background job no input of its own accord.
exec 3<&0
bwrap "$@" <&3 3<&- &
bwrap=$!
exec 3<&-
status=0
wait "$bwrap" || status=$?
# A trapped signal ends `wait` early; the job is over only when it is reaped.
while kill -0 "$bwrap" 2>/dev/null; do
    status=0
    wait "$bwrap" || status=$?
done
exit "$status"
