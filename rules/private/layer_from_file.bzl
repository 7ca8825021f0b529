"""layer_from_file: any file as a layer, for artifacts that are no images."""

load("//rules:providers.bzl", "LayerInfo", "LayersInfo")
load(":compression.bzl", "MEDIA_TYPE")
load(":labels.bzl", "label_text")
load(":layer_providers.bzl", "layer_providers")
load(":tar_layers.bzl", "TAR_LAYER_ATTRS", "described_layer")

_DOC = """Any file as a layer, byte for byte: a Helm chart, a WebAssembly module, an SBOM.

Such a layer belongs into an `image_manifest` with `artifact_type` and `config_media_type`; nothing unpacks
it. An archive that is to be unpacked is a `layer_from_tar`.
"""

_ATTRS = TAR_LAYER_ATTRS | {
    "annotations": attr.string_dict(doc = "Annotations of the layer's descriptor."),
    "annotations_file": attr.label(allow_single_file = True, doc = "File with more annotations, `KEY=VALUE` lines or JSON; `annotations` wins over it."),
    "base_name_annotations": attr.string_list(doc = "Annotations whose value is the file's name, such as `org.opencontainers.image.title`."),
    "diff_id": attr.bool(doc = "Whether the file is a tar archive, plain or compressed, that is unpacked after all; it is checked then."),
    "diff_id_annotations": attr.string_list(doc = "Annotations whose value is the digest of the uncompressed archive; they imply `diff_id`."),
    "media_type": attr.string(default = MEDIA_TYPE["none"], doc = "Media type of the layer."),
    "src": attr.label(mandatory = True, allow_single_file = True, doc = "The file."),
}

def _impl(ctx):
    if ctx.file.src.is_directory:
        fail("%s, src: %s is a directory. Name a file, or make an image_layer of it." % (label_text(ctx.label), label_text(ctx.attr.src.label)))
    flags = ["--diff_id_annotation=" + name for name in ctx.attr.diff_id_annotations]
    if not ctx.attr.diff_id and not flags:
        flags.append("--opaque=1")
    info = described_layer(
        ctx,
        ctx.file.src,
        ctx.label.name + ".metadata.json",
        annotations = {name: ctx.file.src.basename for name in ctx.attr.base_name_annotations} | ctx.attr.annotations,
        annotations_file = ctx.file.annotations_file,
        flags = flags,
        media_type = ctx.attr.media_type or MEDIA_TYPE["none"],
    )
    return layer_providers(info)

layer_from_file = rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
    provides = [LayerInfo, LayersInfo],
)
