"""Output groups that hold a whole image: made on demand, in actions of their own."""

load(":worker.bzl", "EXECUTION_REQUIREMENTS", "action_args")

LAYOUT_ATTRS = {
    "_layout_tool": attr.label(default = "//tools/lading/actions:layout_program", cfg = "exec", executable = True),
}

def layout_output_groups(ctx, descriptor, documents, manifests):
    """Declares the actions behind `oci_layout`, `oci_tarball` and `docker_archive`.

    Args:
        ctx: the context of a rule that has LAYOUT_ATTRS.
        descriptor: File, the image's own descriptor.
        documents: list of File: every manifest, config and index of the image.
        manifests: list of ImageManifestInfo.

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
        _write(ctx, format, output, descriptor, documents, manifests)
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
    manifests = [info] if hasattr(info, "config") else parts_of(info)
    documents = [] if hasattr(info, "config") else [info.index]
    for manifest in manifests:
        documents += [manifest.manifest, manifest.config]
    output = ctx.actions.declare_file(ctx.label.name + ".docker.tar")
    _write(ctx, "docker_archive", output, info.descriptor, documents, manifests, names, platform)
    return output

def parts_of(index):
    """What an index lists.

    Args:
        index: ImageIndexInfo.

    Returns:
        list of ImageManifestInfo: its images, and the SOCI indexes of those.
    """
    artifacts = [getattr(manifest, "soci", None) for manifest in index.manifests]
    return index.manifests + [artifact for artifact in artifacts if artifact]

def _write(ctx, format, output, descriptor, documents, manifests, names = [], platform = ""):
    layers = {}
    layouts = {}
    for manifest in manifests:
        for layer in manifest.layers:
            if layer.blob:
                layers[layer.blob.path] = layer
        for layout in manifest.layouts:
            layouts[layout.path] = layout
    args = action_args(ctx)
    args.add("--format=" + format)
    args.add("--output=" + output.path)
    args.add(descriptor, format = "--descriptor=%s")
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
        inputs = [descriptor] + documents +
                 [layer.blob for layer in layers.values()] + [layer.metadata for layer in layers.values()] + layouts.values(),
        outputs = [output],
        mnemonic = "ImageLayout",
        progress_message = "Writing %s of %%{label}" % format.replace("_", " "),
        execution_requirements = EXECUTION_REQUIREMENTS,
    )
