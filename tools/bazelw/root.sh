# shellcheck shell=sh
# The Debian root: where it is, and building it once. Read by tools/bazelw/bazel.
#
# A root is complete when its directory has its final name, root-KEY: it is built beside, and
# renamed. KEY is a hash of the recipe, so a changed recipe is another root. Whoever builds holds
# a lock, which the kernel releases when the builder dies.

say() {
    printf 'bazelw: %s\n' "$*" >&2
}

# root_key RECIPE: a hash of the recipe's files, their names and this machine's architecture.
root_key() {
    (
        cd "$1" || exit 1
        uname -m
        find . -type f ! -name '*.pyc' -exec sha256sum {} + | LC_ALL=C sort -k 2
    ) | sha256sum | cut -c 1-16
}

# find_root RECIPE: sets `root`; builds it if need be. Ends the script if that is impossible.
find_root() {
    key=$(root_key "$1")
    if [ -z "${XDG_CACHE_HOME-}" ] && [ -z "${HOME-}" ]; then
        say "neither HOME nor XDG_CACHE_HOME is set: there is no place for Bazel's root file system."
        exit 1
    fi
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/lading
    root=$cache/root-$key
    [ -d "$root" ] || build_root "$1"
    # The date of use, for remove_old_roots.
    touch -c "$root" 2>/dev/null || :
}

build_root() {
    need_programs
    mkdir -p "$cache" || exit 1
    exec 9>"$cache/lock"
    if ! flock -n 9; then
        say "another bazelw is building the root file system; waiting for it"
        flock 9
    fi
    if [ ! -d "$root" ]; then
        remove_leftovers
        build_locked "$1"
        remove_old_roots
    fi
    exec 9>&-
}

# Programs of the host that build and enter the root.
need_programs() {
    missing=
    command -v mmdebstrap >/dev/null || missing="$missing mmdebstrap"
    command -v bwrap >/dev/null || missing="$missing bubblewrap"
    command -v flock >/dev/null || missing="$missing util-linux"
    if [ "$(id -u)" != 0 ]; then
        command -v newuidmap >/dev/null || missing="$missing uidmap"
    fi
    [ -n "$missing" ] || return 0
    missing=${missing# }
    if ! command -v apt-get >/dev/null; then
        say "no Bazel 7 or newer found, and this is no Debian or Ubuntu, where one could be set up."
        say "Install Bazelisk as \`bazel\` on PATH, or set BAZEL to a Bazel."
        exit 1
    fi
    if [ "$(id -u)" != 0 ]; then
        say "no Bazel 7 or newer found, and setting one up needs packages that only root can install."
        say "Run: sudo apt-get install $missing   (or install Bazelisk, or set BAZEL to a Bazel)"
        exit 1
    fi
    say "installing $missing with apt"
    log=$(mktemp)
    # shellcheck disable=SC2086
    if ! { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing; } >"$log" 2>&1; then
        say "apt could not install $missing: $(grep '^E:' "$log" | head -n 1)"
        say "The whole output is in $log."
        exit 1
    fi
    rm -f "$log"
}

# build_locked RECIPE: builds `root`, under the lock.
build_locked() {
    building=$root.building
    log=$cache/build-$key.log
    mkdir "$building" || exit 1
    say "setting up Bazel once: a Debian root file system in $root (about 90 s, 2 GB)"
    sh "$1/build.sh" "$building" "$key" >"$log" 2>&1 9>&- &
    builder=$!
    trap 'interrupted 130' INT
    trap 'interrupted 143' TERM
    trap 'interrupted 129' HUP
    show_progress "$builder"
    status=0
    wait "$builder" || status=$?
    trap - INT TERM HUP
    if [ "$status" != 0 ]; then
        explain_failure
        rm -rf "$building"
        exit 1
    fi
    sync -f "$building" 2>/dev/null || :
    mv "$building" "$root"
    say "done"
}

interrupted() {
    trap - INT TERM HUP
    kill "$builder" 2>/dev/null || :
    wait "$builder" 2>/dev/null || :
    rm -rf "$building"
    say "interrupted; nothing is left behind"
    exit "$1"
}

# show_progress PID: what the log says, until PID ends: one line that changes on a terminal, else a
# line whenever there is something new.
show_progress() {
    seconds=0
    before=
    while kill -0 "$1" 2>/dev/null; do
        sleep 1
        seconds=$((seconds + 1))
        now=$(sed -n 's/^I: //p' "$log" | tail -n 1)
        if [ -t 2 ]; then
            printf '\r\033[Kbazelw: %3d s  %.60s' "$seconds" "$now" >&2
        elif [ "$now" != "$before" ]; then
            say "$now"
            before=$now
        fi
    done
    [ ! -t 2 ] || printf '\r\033[K' >&2
}

explain_failure() {
    if grep -q 'No space left on device' "$log"; then
        say "no disk space left in $cache while setting up Bazel; it takes about 2 GB."
    elif grep -qE 'Could not resolve|Temporary failure resolving|Could not connect|Unable to connect|Failed to fetch|Network is unreachable' "$log"; then
        say "the Debian mirror cannot be reached: $(grep -m 1 -E '^(E|W|Err).*(resolv|onnect|fetch|nreachable)' "$log")"
    else
        say "setting up Bazel failed: $(grep '^E:' "$log" | tail -n 1)"
    fi
    say "The whole output is in $log. Run the same command again to retry."
}

# Directories of builders that died: nobody else builds while we hold the lock.
remove_leftovers() {
    for leftover in "$cache"/root-*.building; do
        [ -d "$leftover" ] || continue
        say "removing $leftover, which an interrupted run left"
        rm -rf "$leftover"
    done
}

# Roots of other recipes, unused for 30 days.
remove_old_roots() {
    find "$cache" -maxdepth 1 -type d -name 'root-*' ! -name "root-$key" -mtime +30 |
        while read -r old; do
            say "removing $old, unused for 30 days"
            rm -rf "$old"
        done
}
