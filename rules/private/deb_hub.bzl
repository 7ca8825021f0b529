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
    "groups": attr.string_list_dict(mandatory = True, doc = "`set:architecture` or `set.layer:architecture` to packages."),
    "hub": attr.string(mandatory = True, doc = "The name that users know this repository by."),
    "lock": attr.string(mandatory = True, doc = "The lock file, as messages name it."),
    "layers": attr.string_list_dict(mandatory = True, doc = "Set to the names of its layers."),
    "packages": attr.string_list_dict(mandatory = True, doc = "Package to the architectures that it is locked for."),
}

_HEADER = """\
# Made from {lock}.
package(default_visibility = ["//visibility:public"])
"""

_LINUX = """
config_setting(
    name = "linux_is_{name}",
    constraint_values = [
        "@platforms//cpu:{cpu}",
        "@platforms//os:linux",
    ],
)
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

_LAYERS = """\
# The layers of each set, for deb_layers. Made from {lock}.

LAYERS = {{
{sets}}}
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
    rctx.file("BUILD.bazel", _groups(rctx), executable = False)
    rctx.file("layers.bzl", _layers(rctx), executable = False)

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

def _groups(rctx):
    parts = [_HEADER.format(lock = rctx.attr.lock)]
    parts += [_LINUX.format(name = name, cpu = cpu) for name, cpu in CPUS.items()]
    groups = {}
    for key, packages in rctx.attr.groups.items():
        name, _, architecture = key.rpartition(":")
        labels = ["//%s:%s" % (package, architecture) for package in packages]
        groups.setdefault(name, {})[architecture] = "[%s]" % ", ".join(['"%s"' % label for label in labels])
    for name, architectures in groups.items():
        parts.append(_FILEGROUP.format(name = name, srcs = _select(architectures, name)))
    return "".join(parts)

def _layers(rctx):
    lines = []
    for name, layers in rctx.attr.layers.items():
        lines.append('    "%s": {\n' % name)
        lines += ['        "%s": Label("//:%s.%s"),\n' % (layer, name, layer) for layer in layers]
        lines.append("    },\n")
    return _LAYERS.format(lock = rctx.attr.lock, sets = "".join(lines))

def _select(choices, what):
    lines = ['        "//:linux_is_%s": %s,\n' % (key, value) for key, value in choices.items()]
    message = "Debian packages of %s are locked for %s only, on Linux: --platforms=@lading//rules/platforms:linux_%s" % (
        what,
        ", ".join(choices),
        choices.keys()[0],
    )
    return "select(\n        {\n%s        },\n        no_match_error = \"%s\",\n    )" % (
        "".join(["    " + line for line in lines]),
        message,
    )

deb_hub = repository_rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = "Names the packages and sets of a lock; fetches nothing.",
)

def _unlocked_impl(rctx):
    fail(rctx.attr.message)

deb_unlocked = repository_rule(
    implementation = _unlocked_impl,
    attrs = {"message": attr.string(mandatory = True, doc = "What to say to whoever uses it.")},
    doc = "The repository of a lock that is not there yet, or damaged.",
)
