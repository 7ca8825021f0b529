"""Output groups that hold a whole image: made on demand, in actions of their own."""

load(":worker.bzl", "EXECUTION_REQUIREMENTS", "action_args")

LAYOUT_ATTRS = {
    "_layout_tool": attr.label(default = "//tools/lading/actions:layout", cfg = "exec", executable = True),
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
    layers = {}
    layouts = {}
    for manifest in manifests:
        for layer in manifest.layers:
            if layer.blob:
                layers[layer.blob.path] = layer
        for layout in manifest.layouts:
            layouts[layout.path] = layout
    name = ctx.label.name
    outputs = {
        "docker_archive": ctx.actions.declare_file(name + ".docker.tar"),
        "oci_layout": ctx.actions.declare_directory(name + ".oci"),
        "oci_tarball": ctx.actions.declare_file(name + ".oci.tar"),
    }
    for format, output in outputs.items():
        args = action_args(ctx)
        args.add("--format=" + format)
        args.add("--output=" + output.path)
        args.add(descriptor, format = "--descriptor=%s")
        args.add_all(documents, format_each = "--document=%s")
        for layer in layers.values():
            args.add("--blob=%s\t%s" % (layer.blob.path, layer.metadata.path))
        args.add_all(layouts.values(), format_each = "--layout=%s", expand_directories = False)
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
    return {format: depset([output]) for format, output in outputs.items()}
