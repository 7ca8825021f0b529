"""Tar archives of other rules as layers, byte for byte as they are."""

load("//rules:providers.bzl", "LayerInfo", "LayersInfo")
load(":worker.bzl", "EXECUTION_REQUIREMENTS", "action_args")

_MEDIA_TYPE = "application/vnd.oci.image.layer.v1.tar"

# Suffixes of archives that can be layers, and what their media types end in. Others, such as
# .tar.xz, are no layer of the specification; `image_layer(tars = …)` packs them anew.
_SUFFIXES = {
    ".tar": "",
    ".tar.gz": "+gzip",
    ".tar.zst": "+zstd",
    ".tgz": "+gzip",
}

TAR_LAYER_ATTRS = {
    "_describe": attr.label(default = "//tools/lading/actions:describe", cfg = "exec", executable = True),
}

def layers_of(ctx, targets):
    """The layers that `targets` are.

    Args:
        ctx: the context of a rule that has TAR_LAYER_ATTRS.
        targets: list of Target with LayerInfo, LayersInfo or tar archives.

    Returns:
        list of LayerInfo, lowest first.
    """
    layers = []
    for target in targets:
        if LayersInfo in target:
            layers += target[LayersInfo].layers
        elif LayerInfo in target:
            layers.append(target[LayerInfo])
        else:
            for file in target[DefaultInfo].files.to_list():
                layers.append(_described(ctx, file, target.label, len(layers)))
    return layers

def _described(ctx, file, label, number):
    suffix = _suffix(file)
    if suffix == None:
        fail("%s, layers: %s of %s is no layer. Name an image_layer, or a file that ends in %s; image_layer(tars = …) takes other archives." % (
            ctx.label,
            file.basename,
            label,
            ", ".join(sorted(_SUFFIXES)),
        ))
    metadata = ctx.actions.declare_file("%s.layer%d.metadata.json" % (ctx.label.name, number))
    args = action_args(ctx)
    args.add(file, format = "--blob=%s")
    args.add(metadata, format = "--metadata=%s")
    ctx.actions.run(
        executable = ctx.executable._describe,
        arguments = [args],
        inputs = [file],
        outputs = [metadata],
        mnemonic = "LayerDescribe",
        progress_message = "Describing layer %{input}",
        execution_requirements = EXECUTION_REQUIREMENTS,
    )
    return LayerInfo(blob = file, media_type = _MEDIA_TYPE + suffix, metadata = metadata)

def _suffix(file):
    for suffix in _SUFFIXES:
        if file.basename.endswith(suffix) and not file.is_directory:
            return _SUFFIXES[suffix]
    return None
