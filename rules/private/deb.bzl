"""deb: the module extension that turns a lock of Debian packages into repositories."""

load(":deb_hub.bzl", "CPUS", "deb_hub", "deb_unlocked", "package_repository")
load(":deb_package.bzl", "deb_package")

_FORMAT = 1

_DOC = """Debian packages by label, fetched one by one and only when a build needs them.

    deb = use_extension("@lading//rules:extensions.bzl", "deb")
    deb.lock(name = "debian", lock = "//images:debian.lock.json")
    use_repo(deb, "debian")

`@debian//libc6` is the .deb for the target platform, `@debian//libc6:arm64` that of one
architecture, `@debian//:python` all packages of the set `python`, and `LAYERS["python"]` of
`@debian//:layers.bzl` what `deb_layers` makes layers of.
"""

_LOCK = tag_class(
    attrs = {
        "lock": attr.label(mandatory = True, allow_single_file = [".json"], doc = "The lock that `bazel run @lading//images:lock` writes."),
        "lock_command": attr.string(doc = "The command that renews the lock; messages name it. By default `bazel run @lading//images:lock`."),
        "name": attr.string(mandatory = True, doc = "Name of the repository."),
    },
    doc = "One lock and the repository that it becomes.",
)

def _impl(mctx):
    owners = {}
    for module in mctx.modules:
        for tag in module.tags.lock:
            if tag.name in owners:
                fail("deb.lock(name = %r) is in the modules %s and %s; use another name in one of them" % (
                    tag.name,
                    owners[tag.name],
                    module.name,
                ))
            owners[tag.name] = module.name
            _declare(mctx, tag, tag.lock_command or "bazel run %s//images:lock" % ("" if module.name == "lading" else "@lading"))
    return mctx.extension_metadata(reproducible = True)

def _declare(mctx, tag, lock_command):
    name = "//%s:%s" % (tag.lock.package, tag.lock.name)
    path = mctx.path(tag.lock)
    lock = json.decode(mctx.read(path), default = None) if path.exists else None
    if type(lock) != "dict" or lock.get("format") != _FORMAT:
        # No failure of the extension: the command that writes the lock could not run either.
        what = "is not a lock of Debian packages in format %d" % _FORMAT if path.exists else "does not exist"
        deb_unlocked(name = tag.name, message = "%s %s\n  run: %s" % (name, what, lock_command))
        return
    architectures = {}
    for architecture, packages in lock["packages"].items():
        if architecture not in CPUS:
            fail("%s: architecture %s is not one of %s" % (name, architecture, ", ".join(CPUS)))
        for package, fields in packages.items():
            architectures.setdefault(package, []).append(architecture)
            deb_package(
                name = package_repository(tag.name, architecture, package),
                archive = fields["archive"],
                lock = name,
                lock_command = lock_command,
                path = fields["path"],
                sha256 = fields["sha256"],
                suite = lock["suite"],
            )
    deb_hub(
        name = tag.name,
        groups = _groups(lock),
        hub = tag.name,
        layers = {name: layers.keys() for name, layers in lock["layers"].items()},
        lock = name,
        packages = architectures,
    )

def _groups(lock):
    """What is named with one label: sets and their layers, by architecture."""
    groups = {}
    for name, architectures in lock["sets"].items():
        for architecture, packages in architectures.items():
            groups["%s:%s" % (name, architecture)] = packages
            for layer, members in lock["layers"][name].items():
                present = [package for package in members if package in packages]
                groups["%s.%s:%s" % (name, layer, architecture)] = present
    return groups

deb = module_extension(
    implementation = _impl,
    doc = _DOC,
    tag_classes = {"lock": _LOCK},
)
