"""The extension `pip` with the interface of current rules_python.

One repository per hub holds all its packages, downloaded by the interpreter's own pip from a lock
file with hashes. Labels are those of rules_python: `@hub//package`, and `:pkg`, `:data`,
`:dist_info`, `:whl` in that package.
"""

def _hub_impl(rctx):
    # Reading the lock, unlike taking its path, makes Bazel watch it.
    rctx.file("requirements.lock", rctx.read(rctx.attr.requirements_lock))
    rctx.report_progress("Installing the packages of %s" % rctx.attr.requirements_lock)
    result = rctx.execute(
        [
            "/usr/bin/python3",
            "-I",
            rctx.path(Label("//python/private/debian:install_wheels.py")),
            "requirements.lock",
        ] + rctx.attr.extra_pip_args,
        timeout = 1200,
    )
    if result.return_code:
        fail("%s: %s" % (rctx.attr.requirements_lock, result.stderr.strip()))

_hub = repository_rule(
    implementation = _hub_impl,
    attrs = {
        "extra_pip_args": attr.string_list(),
        "requirements_lock": attr.label(mandatory = True),
    },
)

def _impl(module_ctx):
    hubs = {}
    for module in module_ctx.modules:
        for parse in module.tags.parse:
            lock = parse.requirements_lock or parse.requirements_linux
            if not lock:
                fail("pip.parse: the hub %r of module %s has no requirements_lock." % (parse.hub_name, module.name))
            if parse.hub_name not in hubs:
                _hub(
                    name = parse.hub_name,
                    extra_pip_args = parse.extra_pip_args,
                    requirements_lock = lock,
                )
            elif hubs[parse.hub_name] != module.name:
                fail("pip.parse: the modules %s and %s both name a hub %r." % (hubs[parse.hub_name], module.name, parse.hub_name))

            # One module names a hub again for a second Python version; here is only one.
            hubs[parse.hub_name] = module.name

pip = module_extension(
    implementation = _impl,
    tag_classes = {
        "parse": tag_class(attrs = {
            "extra_pip_args": attr.string_list(),
            "hub_name": attr.string(mandatory = True),
            "python_version": attr.string(),
            "requirements_darwin": attr.label(),
            "requirements_linux": attr.label(),
            "requirements_lock": attr.label(),
            "requirements_windows": attr.label(),
        }),
    },
)
