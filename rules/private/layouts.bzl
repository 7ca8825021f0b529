"""Output groups that hold a whole image: made on demand, in actions of their own."""

load(":worker.bzl", "EXECUTION_REQUIREMENTS", "action_args")

LAYOUT_ATTRS = {
    "_layout_tool": attr.label(default = "//tools/lading/actions:layout_program", cfg = "exec", executable = True),
}

def layout_output_groups(ctx, info):
    """Declares the actions behind `oci_layout`, `oci_tarball` and `docker_archive`.

    Args:
        ctx: the context of a rule that has LAYOUT_ATTRS.
        info: ImageManifestInfo or ImageIndexInfo.

    Returns:
        dict of output group name to depset. Where a layer is not here, because its base was pulled
        without layers, the actions fail and say so.
    """
    name = ctx.label.name
    outputs = {
        "docker_archive": ctx.actions.declare_file(name + ".docker.tar"),
        "oci_layout": ctx.actions.declare_directory(name + ".oci"),
        "oci_tarball": ctx.actions.declare_file(name + ".oci.tar"),
    }
    for format, output in outputs.items():
        _write(ctx, format, output, info)
    return {format: depset([output]) for format, output in outputs.items()}

def archive_of(ctx, info, names, platform):
    """Declares the action that writes an archive for `docker load`.

    Args:
        ctx: the context of a rule that has LAYOUT_ATTRS.
        info: ImageManifestInfo or ImageIndexInfo.
        names: list of strings, `repository:tag`: what the archive calls the image.
        platform: string, `os/architecture[/variant]`: which image of an index is for those who read one.

    Returns:
        File.
    """
    output = ctx.actions.declare_file(ctx.label.name + ".docker.tar")
    _write(ctx, "docker_archive", output, info, names, platform)
    return output

def _parts_of(index):
    """What an index lists: its images, and the SOCI indexes of those."""
    artifacts = [getattr(manifest, "soci", None) for manifest in index.manifests]
    return index.manifests + [artifact for artifact in artifacts if artifact]

def _write(ctx, format, output, info, names = [], platform = ""):
    is_index = hasattr(info, "index")
    documents = [info.index] if is_index else []
    layers = {}
    layouts = {}
    for manifest in _parts_of(info) if is_index else [info]:
        documents += [manifest.manifest, manifest.config]
        for layer in manifest.layers:
            if layer.blob:
                layers[layer.blob.path] = layer
        for layout in manifest.layouts:
            layouts[layout.path] = layout
    args = action_args(ctx)
    args.add("--format=" + format)
    args.add("--output=" + output.path)
    args.add(info.descriptor, format = "--descriptor=%s")
    args.add_all(documents, format_each = "--document=%s")
    for layer in layers.values():
        args.add("--blob=%s\t%s" % (layer.blob.path, layer.metadata.path))
    args.add_all(layouts.values(), format_each = "--layout=%s", expand_directories = False)
    args.add_all(names, format_each = "--name=%s")
    if platform:
        args.add("--platform=" + platform)
    ctx.actions.run(
        executable = ctx.executable._layout_tool,
        arguments = [args],
        inputs = [info.descriptor] + documents +
                 [layer.blob for layer in layers.values()] + [layer.metadata for layer in layers.values()] + layouts.values(),
        outputs = [output],
        mnemonic = "ImageLayout",
        progress_message = "Writing %s of %%{label}" % format.replace("_", " "),
        execution_requirements = EXECUTION_REQUIREMENTS,
    )
