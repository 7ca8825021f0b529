"""python_layer: Python code and packages below one directory, ready for PYTHONPATH."""

load("@rules_python//python:defs.bzl", "PyInfo")
load("//rules:providers.bzl", "LayerInfo")
load("//tools/program:runfiles.bzl", "runfiles_path")
load(":labels.bzl", "label_text")
load(":layer.bzl", "LAYER_ATTRS", "layer_action")
load(":paths.bzl", "image_path")
load(":worker.bzl", "action_args")

_DOC = """Python modules of `deps` and everything they need, laid out below one directory.

Files keep their place relative to the import root they belong to, so the repository names that
Bazel gives to packages, and so the Bazel version, leave no trace in the image. Compiled modules
are left out unless `include_native` says otherwise: they belong to one interpreter and platform.
"""

_ATTRS = LAYER_ATTRS | {
    "deps": attr.label_list(mandatory = True, providers = [PyInfo], doc = "Python libraries."),
    "include": attr.string(
        default = "all",
        values = ["all", "first_party", "third_party"],
        doc = "Which code: of this workspace, of other repositories, or both. Two layers, third-party below, keep a change of your code small.",
    ),
    "include_native": attr.bool(doc = "Whether compiled modules (`.so`, `.pyd`) come along."),
    "prefix": attr.string(mandatory = True, doc = "Directory in the image."),
}

# What an installer writes, and what differs between interpreters or platforms.
_LEFT_OUT = (".pyc", ".dist-info/RECORD", ".dist-info/WHEEL", ".dist-info/INSTALLER", ".dist-info/REQUESTED", ".dist-info/direct_url.json")
_NATIVE = (".so", ".pyd", ".dylib")

def _impl(ctx):
    what = "%s, prefix" % label_text(ctx.label)
    prefix = image_path(ctx.attr.prefix, what = what).rstrip("/") + "/"
    roots = _import_roots(ctx)
    first_party = ctx.workspace_name + "/"
    include = ctx.attr.include
    left_out = _LEFT_OUT if ctx.attr.include_native else _LEFT_OUT + _NATIVE
    workspace_name = ctx.workspace_name

    def line(file):
        path = runfiles_path(file, workspace_name)
        if include != "all" and path.startswith(first_party) != (include == "first_party"):
            return None
        if path.endswith(left_out):
            return None
        for root in roots:
            if path.startswith(root):
                return "F\t%s%s\t%s" % (prefix, path[len(root):], file.path)

        # With `venvs_site_packages`, rules_python gives packages no import root.
        _, is_package, rest = path.partition("/site-packages/")
        if is_package:
            return "F\t%s%s\t%s" % (prefix, rest, file.path)

        # Outside every import root: scripts and the like, which nothing imports.
        return None

    files = depset(transitive = [dep[PyInfo].transitive_sources for dep in ctx.attr.deps] +
                                [dep[DefaultInfo].default_runfiles.files for dep in ctx.attr.deps])
    args = action_args(ctx)
    args.add_all(files, map_each = line, allow_closure = True, expand_directories = False)
    return layer_action(ctx, args, files)

def _import_roots(ctx):
    roots = {ctx.workspace_name + "/": None}
    for dep in ctx.attr.deps:
        for root in dep[PyInfo].imports.to_list():
            roots[root.rstrip("/") + "/"] = None

    # The longest root wins: `repository/site-packages/` before `repository/`.
    return sorted(roots, key = lambda root: (-len(root), root))

python_layer = rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
    provides = [LayerInfo],
)
