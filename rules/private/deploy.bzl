"""What `bazel run` targets for images share: the deploy specification and its launcher.

The specification is a JSON file that names the image's files by their place in the runfiles;
tools/lading/commands/deploy.py reads it. Nothing that a registry, store or engine has to say
happens before `bazel run`.
"""

load("//rules:providers.bzl", "ImageIndexInfo", "ImageManifestInfo")
load(":paths.bzl", "runfiles_path")

DEPLOY_ATTRS = {
    "image": attr.label(
        mandatory = True,
        providers = [[ImageManifestInfo], [ImageIndexInfo]],
        doc = "The image: an `image_manifest` or an `image_index`.",
    ),
    "_launcher": attr.label(default = "//rules/private:launcher.py.tpl", allow_single_file = True),
}

def deploy_providers(ctx, tool, settings, *, tag_file = None):
    """Makes the executable of a rule that has DEPLOY_ATTRS.

    Args:
        ctx: the rule's context.
        tool: Target, the py_binary that does the work, in the target configuration.
        settings: dict of JSON values, added to the specification.
        tag_file: File or None, tags to read when the command runs.

    Returns:
        list of providers.
    """
    image, files = _image(ctx, ctx.attr.image)
    if tag_file:
        files.append(tag_file)
        settings = settings | {"tag_files": [runfiles_path(tag_file, ctx.workspace_name)]}
    spec = ctx.actions.declare_file(ctx.label.name + ".deploy.json")
    label = str(ctx.label)
    ctx.actions.write(spec, json.encode_indent({
        "image": image,
        "label": label[2:] if label.startswith("@@//") else label,
        "version": 1,
    } | settings, indent = "  ") + "\n")
    launcher = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.expand_template(
        template = ctx.file._launcher,
        output = launcher,
        is_executable = True,
        substitutions = {
            "%{spec}": runfiles_path(spec, ctx.workspace_name),
            "%{tool}": runfiles_path(tool[DefaultInfo].files_to_run.executable, ctx.workspace_name),
        },
    )
    runfiles = ctx.runfiles(files = [spec] + files).merge(tool[DefaultInfo].default_runfiles)
    return [DefaultInfo(executable = launcher, files = depset([launcher]), runfiles = runfiles)]

def _image(ctx, target):
    if ImageManifestInfo in target:
        return _manifest(ctx, target[ImageManifestInfo])
    index = target[ImageIndexInfo]
    files = [index.descriptor, index.index]
    manifests = []
    for manifest in index.manifests:
        value, more = _manifest(ctx, manifest)
        manifests.append(value)
        files += more
    return {
        "descriptor": runfiles_path(index.descriptor, ctx.workspace_name),
        "index": runfiles_path(index.index, ctx.workspace_name),
        "manifests": manifests,
    }, files

def _manifest(ctx, info):
    path = lambda file: runfiles_path(file, ctx.workspace_name)
    files = [info.descriptor, info.manifest, info.config]
    layers = []
    for layer in info.layers:
        if layer.blob:
            layers.append({"blob": path(layer.blob), "metadata": path(layer.metadata)})
            files += [layer.blob, layer.metadata]
        else:
            layers.append({"metadata": path(layer.metadata)})
            files.append(layer.metadata)
    return {
        "config": path(info.config),
        "descriptor": path(info.descriptor),
        "layers": layers,
        "manifest": path(info.manifest),
        "sources": [{"registry": source.registry, "repository": source.repository} for source in info.sources],
    }, files
