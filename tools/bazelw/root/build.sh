#!/bin/sh
# The recipe of the Debian root:  build.sh ROOT KEY
#
# ROOT is an empty directory. KEY goes into the root's Bazel settings. apt finds the mirror and the
# keys by itself; progress goes to standard error. Every file beside this one is part of the recipe.
set -eu

root=$1
key=$2
recipe=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
suite=forky # the first Debian release with a Bazel

# The modules that Bazel's own MODULE.bazel asks for and Debian leaves out. Nothing here uses them.
stub_modules="apple_support/1.23.1 buildozer/7.1.2 protobuf/3.19.6 protobuf/21.7 zlib/1.3.1.bcr.3"

# Modules that Debian packages but does not override, at the version that MODULE.bazel files ask for.
# (An override of a module that nobody depends on is an error, an entry of a registry is not.)
packaged_modules="rules_shell/0.4.1=rules/shell bazel_lib/3.0.0=tools/bazel_lib"

# The formatter of Starlark files, which the public registry has as buildifier_prebuilt.
buildifier=8.2.1
buildifier_sha512=799fc0abedabe0f7096ba2db3c24fa7df80825f4d4fe062296a233a17d8e2cce273646d00bab5330f64d9fb6871e38463f16cd2efe35ce6e17aadd689422e05f

# Files that enter.sh shows the host's own over.
mount_points="resolv.conf hosts hostname passwd group subuid subgid localtime pip.conf
ssl/certs/ca-certificates.crt ssl/certs/java/cacerts"

install_packages() {
    packages=$(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$recipe/packages.txt" | paste -sd, -)
    # Debian machines with an old clock, or without one, would find the archive's signature expired.
    set -- --variant=apt --include="$packages" --aptopt='Acquire::Check-Valid-Until "false"' \
        --aptopt='Apt::Install-Recommends "false"' \
        --dpkgopt=path-exclude='/usr/share/man/man[1-9]/*' --dpkgopt=path-exclude='/usr/share/doc/*' \
        --dpkgopt=path-exclude='/usr/bin/qemu-*' --dpkgopt=path-include='/usr/bin/qemu-x86_64' \
        --dpkgopt=path-exclude='/usr/share/locale/*' --dpkgopt=path-include='/usr/share/doc/*/copyright'
    export recipe
    # shellcheck disable=SC2016 # expanded by the hook's own shell
    set -- "$@" --customize-hook='chroot "$1" python3 - <"$recipe/label_bazel.py"'
    # The locale of Bazel's server, which sees question marks without it in paths that are not ASCII.
    # shellcheck disable=SC2016
    set -- "$@" --customize-hook='chroot "$1" localedef --no-archive -i en_US -f ISO-8859-1 en_US.ISO-8859-1'
    if [ "$(id -u)" = 0 ]; then
        mmdebstrap "$@" --format=directory --skip=output/dev "$suite" "$root"
    else
        # In a user namespace files would belong to subordinate users, whom the user cannot even
        # remove; unpacked from an archive they are the user's own.
        fifo=$root.fifo
        mkfifo "$fifo"
        tar -x -C "$root" --no-same-owner --exclude='./dev/*' -f "$fifo" &
        tar=$!
        mmdebstrap "$@" --format=tar "$suite" "$fifo" || status=$?
        wait "$tar"
        rm "$fifo"
        [ "${status:-0}" = 0 ]
    fi
}

write_registry() {
    mkdir -p "$root/usr/share/lading/registry"
    printf '{}\n' >"$root/usr/share/lading/registry/bazel_registry.json"
    for module in $stub_modules; do
        name=${module%%/*}
        mkdir -p "$root/usr/share/lading/modules/$name"
        : >"$root/usr/share/lading/modules/$name/BUILD.bazel"
        printf 'module(\n    name = "%s",\n)\n' "$name" >"$root/usr/share/lading/modules/$name/MODULE.bazel"
        register "$module" "/usr/share/lading/modules/$name"
    done
    cp "$recipe/buildozer_binary.bzl" "$root/usr/share/lading/modules/buildozer/"
    for module in $packaged_modules; do
        register "${module%=*}" "/usr/share/bazel/${module#*=}"
    done
    write_stardoc
}

# Debian's stardoc, but for its renderer.
write_stardoc() {
    module=/usr/share/lading/modules/stardoc
    cp -R "$root/usr/share/bazel/tools/stardoc" "$root$module"
    cp "$recipe/stardoc/renderer.py" "$root$module/stardoc/"
    sed -i -e '/rules_java/d' -e '/^java_import(/,/^)/d' -e '/^java_binary(/,/^)/d' "$root$module/stardoc/BUILD"
    cat >>"$root$module/stardoc/BUILD" <<'END'

load("@rules_python//python:defs.bzl", "py_binary")

py_binary(
    name = "renderer",
    srcs = ["renderer.py"],
    data = ["renderer_prebuilt.jar"],
)
END
    printf 'bazel_dep(name = "rules_python", version = "0.22.1")\n' >>"$root$module/MODULE.bazel"
    register stardoc/0.8.0 "$module"
}

# register NAME/VERSION DIRECTORY: with the MODULE.bazel of DIRECTORY, at VERSION.
register() {
    entry=$root/usr/share/lading/registry/modules/$1
    mkdir -p "$entry"
    {
        printf 'module(name = "%s", version = "%s")\n' "${1%%/*}" "${1#*/}"
        sed '/^module(/,/)/d' "$root$2/MODULE.bazel"
    } >"$entry/MODULE.bazel"
    printf '{"type": "local_path", "path": "%s"}\n' "$2" >"$entry/source.json"
}

# Debian's rules_python is older than the interface that MODULE.bazel uses.
overlay_rules_python() {
    cp -R "$recipe/rules_python/." "$root/usr/share/bazel/rules/python/"
}

write_settings() {
    # Debian's defaults keep every sandbox directory, and warn of an option that is no more.
    sed -i -e '/--sandbox_debug/d' -e '/--host_javabase/d' "$root/etc/bazel/bazelrc"
    sed "s/@KEY@/$key/" "$recipe/bazelrc" >"$root/etc/bazel.bazelrc"
    mkdir -p "$root/etc/containers"
    cp "$recipe/containers.conf" "$root/etc/containers/containers.conf"
    for file in $mount_points; do
        case $file in */*) mkdir -p "$root/etc/${file%/*}" ;; esac
        # A link, such as localtime, cannot be a mount point.
        [ ! -L "$root/etc/$file" ] || rm "$root/etc/$file"
        [ -e "$root/etc/$file" ] || : >"$root/etc/$file"
    done
}

# Without it everything works but the test that runs it, so no failure here ends the set-up.
fetch_buildifier() {
    echo "I: fetching buildifier from npm" >&2
    module=$root/usr/share/lading/modules/buildifier_prebuilt
    archive=bazel-buildifier-$buildifier.tgz
    case $(uname -m) in
    x86_64) architecture=amd64 ;;
    aarch64) architecture=arm64 ;;
    *) architecture=$(uname -m) ;;
    esac
    mkdir -p "$module"
    scratch=$(mktemp -d)
    if npm_config_cache=$scratch/cache sh "$recipe/../enter.sh" "$root" /usr/bin/npm pack \
        --pack-destination "$scratch" "@bazel/buildifier@$buildifier" >&2 &&
        echo "$buildifier_sha512  $scratch/$archive" | sha512sum --check --quiet &&
        tar -x -O -f "$scratch/$archive" "package/buildifier-linux_$architecture" >"$module/buildifier"; then
        :
    else
        printf '#!/bin/sh\necho "%s" >&2\nexit 1\n' \
            "npm had no buildifier $buildifier when bazelw set up $root; remove that directory to try again" \
            >"$module/buildifier"
    fi
    chmod 755 "$module/buildifier"
    rm -rf "$scratch"
    printf 'exports_files(["buildifier"])\n' >"$module/BUILD.bazel"
    printf 'module(\n    name = "buildifier_prebuilt",\n)\n' >"$module/MODULE.bazel"
    register buildifier_prebuilt/8.2.0.2 /usr/share/lading/modules/buildifier_prebuilt
}

install_packages
write_registry
overlay_rules_python
write_settings
fetch_buildifier
