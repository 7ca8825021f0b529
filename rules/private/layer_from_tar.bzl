"""layer_from_tar: an archive that exists already as a layer."""

load("//rules:providers.bzl", "LayerInfo", "LayersInfo")
load(":labels.bzl", "label_text")
load(":layer.bzl", "LAYER_ATTRS", "layer_action", "layer_format", "mtree_of")
load(":layer_providers.bzl", "layer_providers")
load(":tar_layers.bzl", "TAR_LAYER_ATTRS", "compression_of", "described_layer")
load(":worker.bzl", "action_args")

_DOC = """An existing tar archive as a layer.

By default the archive is the layer, byte for byte, where that is possible: a tar that is plain or
compressed with gzip or zstd, and no other compression is asked for. It is read once, to be described
and checked. With another compression, where no layer is compressed as the archive is, and with `soci`, the tar in it
stays as it is and is compressed anew: the layer's `diff_id` is that of the tar.

With `optimize`, metadata, `exclude` or eStargz it is packed anew: entries sorted, what occurs twice
once, parent directories there, equal files hard links.
"""

_ATTRS = LAYER_ATTRS | TAR_LAYER_ATTRS | {
    "compress": attr.string(
        default = "auto",
        values = ["auto", "gzip", "keep", "none", "zstd"],
        doc = "Compression; `auto` and `keep` leave a layer as it is, and `auto` is that of `image_layer` where that cannot be.",
    ),
    "exclude": attr.string_list(doc = "Patterns of absolute paths to leave out, as in `image_layer`; the archive is packed anew then."),
    "optimize": attr.bool(doc = "Whether to pack the archive anew even if it could stay as it is."),
    "src": attr.label(
        mandatory = True,
        allow_single_file = [".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst", ".tar.xz", ".tar.bz2"],
        doc = "The archive: tar, or tar compressed with gzip, zstd, xz or bzip2.",
    ),
}

# What only packing anew can give a layer.
_NEW = ["default_metadata", "exclude", "file_metadata", "optimize"]

def _impl(ctx):
    file = ctx.file.src
    compression = compression_of(file)
    needs = [name for name in _NEW if getattr(ctx.attr, name)]
    if ctx.attr.compress == "keep":
        needs += ["estargz"] if ctx.attr.estargz == "enabled" else []
    elif layer_format(ctx)[1]:
        needs.append("estargz")
    reasons = needs + (["soci"] if ctx.attr.soci == "enabled" else [])
    if not compression or reasons or ctx.attr.compress not in ("auto", "keep", compression):
        if ctx.attr.compress == "keep":
            fail("%s, compress: %s cannot stay as it is%s. Choose auto, gzip, zstd or none." % (
                label_text(ctx.label),
                file.basename,
                ", because of " + ", ".join(reasons) if reasons else ": no layer is compressed that way",
            ))
        args = action_args(ctx)
        args.add(file, format = "A\t/\t%s" if needs else "R\t/\t%s")
        args.add_all(ctx.attr.exclude, format_each = "X\t%s")
        return layer_action(ctx, args, depset([file]))
    info = described_layer(
        ctx,
        file,
        ctx.label.name + ".metadata.json",
        annotations = ctx.attr.annotations,
        annotations_file = ctx.file.annotations_file,
        media_type = ctx.attr.media_type,
    )
    return layer_providers(info, mtree = depset([mtree_of(ctx, info.blob, ctx.label.name)]))

layer_from_tar = rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
    provides = [LayerInfo, LayersInfo],
)
