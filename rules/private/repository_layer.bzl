"""repository_layer: files of a repository below one directory, with the directories they lie in."""

load("//rules:providers.bzl", "LayerInfo")
load(":labels.bzl", "label_text")
load(":layer.bzl", "LAYER_ATTRS", "layer_action")
load(":paths.bzl", "image_path", "package_path")
load(":sources.bzl", "source_line")
load(":worker.bzl", "action_args")

_DOC = """Files at their place in the repository, below one directory.

Files below the target's own package are placed relative to it, others relative to their repository.
Every directory is an entry with `default_metadata`, so that whoever owns the files can add some.
"""

_ATTRS = LAYER_ATTRS | {
    "prefix": attr.string(mandatory = True, doc = "Directory in the image."),
    "srcs": attr.label_list(allow_files = True, doc = "Files, directories, and targets that build some."),
}

def _impl(ctx):
    prefix = image_path(ctx.attr.prefix, what = "%s, prefix" % label_text(ctx.label))
    package = ctx.label.package

    def file_line(file):
        return source_line(file, prefix + "/" + package_path(file, package))

    def directory_lines(file):
        parts = package_path(file, package).split("/")[:-1]
        return ["D\t%s/%s" % (prefix, "/".join(parts[:end + 1])) for end in range(len(parts))]

    files = depset(transitive = [target[DefaultInfo].files for target in ctx.attr.srcs])
    args = action_args(ctx)
    args.add("D\t" + prefix)
    args.add_all(files, map_each = directory_lines, allow_closure = True, expand_directories = False, uniquify = True)
    args.add_all(files, map_each = file_line, allow_closure = True, expand_directories = False)
    return layer_action(ctx, args, files)

repository_layer = rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
    provides = [LayerInfo],
)
