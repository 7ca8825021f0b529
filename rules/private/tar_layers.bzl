"""Tar archives of other rules as layers, byte for byte as they are."""

load("//rules:providers.bzl", "LayerInfo", "LayersInfo")
load(":compression.bzl", "MEDIA_TYPE")
load(":labels.bzl", "label_text")
load(":worker.bzl", "EXECUTION_REQUIREMENTS", "action_args")

# Suffixes of archives that can be layers, and how those are compressed. Others, such as .tar.xz, are
# no layer of the specification; `image_layer(tars = ...)` packs them anew.
_SUFFIXES = {
    ".tar": "none",
    ".tar.gz": "gzip",
    ".tar.zst": "zstd",
    ".tgz": "gzip",
    ".tzst": "zstd",
}

TAR_LAYER_ATTRS = {
    "_describe": attr.label(default = "//tools/lading/actions:describe_program", cfg = "exec", executable = True),
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
                layers.append(_described(ctx, file, label_text(target.label), len(layers)))
    return layers

def _described(ctx, file, label, number):
    if not compression_of(file):
        fail("%s, layers: %s of %s is no layer. Name an image_layer, or a file that ends in %s; image_layer(tars = ...) takes other archives." % (
            label_text(ctx.label),
            file.basename,
            label,
            ", ".join(sorted(_SUFFIXES)),
        ))
    return described_layer(ctx, file, "%s.layer%d.metadata.json" % (ctx.label.name, number))

def described_layer(ctx, file, name, *, annotations = {}, annotations_file = None, media_type = "", flags = []):
    """An archive, or another file, as the layer that it is.

    Args:
        ctx: the context of a rule that has TAR_LAYER_ATTRS.
        file: File, the archive; without a media type `compression_of` has a value for it.
        name: string, what its metadata is called.
        annotations: dict of strings, for the layer's descriptor.
        annotations_file: File or None, more of them.
        media_type: string, in place of the one that its compression has.
        flags: list of strings, more flags of the action.

    Returns:
        LayerInfo.
    """
    metadata = ctx.actions.declare_file(name)
    args = action_args(ctx)
    args.add(file, format = "--blob=%s")
    args.add(metadata, format = "--metadata=%s")
    args.add_all(flags)
    if annotations:
        args.add(json.encode(annotations), format = "--annotations=%s")
    if annotations_file:
        args.add(annotations_file, format = "--annotations_file=%s")
    if media_type:
        args.add(media_type, format = "--media_type=%s")
    ctx.actions.run(
        executable = ctx.executable._describe,
        arguments = [args],
        inputs = [file] + ([annotations_file] if annotations_file else []),
        outputs = [metadata],
        mnemonic = "LayerDescribe",
        progress_message = "Describing layer %{input}",
        execution_requirements = EXECUTION_REQUIREMENTS,
    )
    return LayerInfo(blob = file, media_type = media_type or MEDIA_TYPE[compression_of(file)], metadata = metadata)

def compression_of(file):
    """How an archive is compressed that can be a layer as it is, as its name tells.

    Args:
        file: File, the archive.

    Returns:
        string: gzip, none or zstd; None if it can be no layer as it is.
    """
    for suffix in _SUFFIXES:
        if file.basename.endswith(suffix) and not file.is_directory:
            return _SUFFIXES[suffix]
    return None
