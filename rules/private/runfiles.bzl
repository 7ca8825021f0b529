"""Layers of runfiles, below one directory that all programs of an image share."""

load("//tools/program:runfiles.bzl", "runfiles_path")
load(":layer.bzl", "layer_action")
load(":sources.bzl", "source_line")
load(":worker.bzl", "action_args")

# Where runfiles are in an image unless told otherwise; `PROGRAM.runfiles` is a symbolic link to it. A
# directory that is the same for every program is what lets programs share layers.
RUNFILES = "/runfiles"

def add_runfiles(args, files, workspace_name, root = RUNFILES):
    """Adds `files` at their places among the runfiles.

    Args:
        args: Args.
        files: list of File.
        workspace_name: string.
        root: string, the directory in the image.
    """

    def line(file):
        return source_line(file, "%s/%s" % (root, runfiles_path(file, workspace_name)))

    args.add_all(files, map_each = line, allow_closure = True, expand_directories = False)

def runfiles_layer(ctx, name, files, root = RUNFILES):
    """Declares a layer of runfiles.

    Args:
        ctx: the context of a rule that has LAYER_ATTRS.
        name: string, what the outputs are called.
        files: list of File.
        root: string, the directory in the image.

    Returns:
        LayerInfo.
    """
    args = action_args(ctx)
    add_runfiles(args, files, ctx.workspace_name, root)
    return layer_info(layer_action(ctx, args, depset(files), name = name))

def layer_info(providers):
    """The LayerInfo among what `layer_action` returns.

    Args:
        providers: list of providers.

    Returns:
        LayerInfo.
    """
    return [provider for provider in providers if hasattr(provider, "media_type")][0]

def repository_of(file):
    """The repository that a file comes from.

    Args:
        file: File.

    Returns:
        string, empty for the main repository.
    """
    return file.short_path.split("/", 2)[1] if file.short_path.startswith("../") else ""
