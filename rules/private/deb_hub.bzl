"""deb_hub: the repository that users name, `@debian//libc6` and `@debian//:python`."""

# Debian's architectures, and the constraint of @platforms//cpu that each stands for.
CPUS = {
    "amd64": "x86_64",
    "arm64": "aarch64",
    "armhf": "armv7",
    "i386": "i386",
    "ppc64el": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
}

_ATTRS = {
    "hub": attr.string(mandatory = True, doc = "The name that users know this repository by."),
    "lock": attr.string(mandatory = True, doc = "The lock file, as messages name it."),
    "packages": attr.string_list_dict(mandatory = True, doc = "Package to the architectures that it is locked for."),
    "sets": attr.string_list_dict(mandatory = True, doc = "`set:architecture` to packages."),
}

_HEADER = """\
# Made from {lock}.
package(default_visibility = ["//visibility:public"])
"""

_FILEGROUP = """
filegroup(
    name = "{name}",
    srcs = {srcs},
)
"""

_ALIAS = """
alias(
    name = "{name}",
    actual = {actual},
)
"""

def package_repository(hub, architecture, package):
    """The name of the repository that holds one package.

    `+` is common in names of packages and not allowed in names of repositories; `_` is the
    opposite.

    Args:
        hub: string, the hub's name.
        architecture: string.
        package: string.

    Returns:
        string.
    """
    return "%s_%s_%s" % (hub, architecture, package.replace("+", "_"))

def _impl(rctx):
    for package, architectures in rctx.attr.packages.items():
        rctx.file(package + "/BUILD.bazel", _package(rctx, package, architectures), executable = False)
    rctx.file("BUILD.bazel", _sets(rctx), executable = False)

def _package(rctx, package, architectures):
    parts = [_HEADER.format(lock = rctx.attr.lock)]
    for architecture in architectures:
        repository = package_repository(rctx.attr.hub, architecture, package)
        parts.append(_ALIAS.format(actual = '"@%s//:deb"' % repository, name = architecture))
    parts.append(_ALIAS.format(
        actual = _select({architecture: '":%s"' % architecture for architecture in architectures}, package),
        name = package,
    ))
    return "".join(parts)

def _sets(rctx):
    parts = [_HEADER.format(lock = rctx.attr.lock)]
    sets = {}
    for key, packages in rctx.attr.sets.items():
        name, _, architecture = key.partition(":")
        labels = ["//%s:%s" % (package, architecture) for package in packages]
        sets.setdefault(name, {})[architecture] = "[%s]" % ", ".join(['"%s"' % label for label in labels])
    for name, architectures in sets.items():
        parts.append(_FILEGROUP.format(name = name, srcs = _select(architectures, name)))
    return "".join(parts)

def _select(choices, what):
    lines = ['        "@platforms//cpu:%s": %s,\n' % (CPUS[key], value) for key, value in choices.items()]
    message = "Debian packages of %s are locked for %s only" % (what, ", ".join(choices))
    return "select(\n        {\n%s        },\n        no_match_error = \"%s\",\n    )" % (
        "".join(["    " + line for line in lines]),
        message,
    )

deb_hub = repository_rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = "Names the packages and sets of a lock; fetches nothing.",
)
