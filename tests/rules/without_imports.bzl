"""A Python package that has no import path of its own."""

load("@rules_python//python:py_info.bzl", "PyInfo")

def _without_imports_impl(ctx):
    info = ctx.attr.library[PyInfo]
    return [
        ctx.attr.library[DefaultInfo],
        PyInfo(imports = depset(), transitive_sources = info.transitive_sources),
    ]

# As newer versions of rules_python make a package with `venvs_site_packages`.
without_imports = rule(
    implementation = _without_imports_impl,
    attrs = {"library": attr.label(mandatory = True, providers = [PyInfo])},
)
