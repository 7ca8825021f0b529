"""What soci-snapshotter needs to start containers early: zTOCs of layers, and an index of them."""

load("//rules:providers.bzl", "ImageManifestInfo", "LayerInfo")
load(":documents.bzl", "declare_documents")
load(":labels.bzl", "label_text")
load(":platforms.bzl", "platform_fields")
load(":worker.bzl", "EXECUTION_REQUIREMENTS", "action_args")

_MEDIA_TYPE = "application/octet-stream"

def ztoc_of(ctx, blob, metadata, name):
    """Declares the zTOC of a layer.

    Args:
        ctx: the context of a rule that has LAYER_ATTRS.
        blob: File, the layer, gzip.
        metadata: File, what describes it.
        name: string, what the zTOC is called, without its suffix.

    Returns:
        LayerInfo of the zTOC, which is a layer of the SOCI index.
    """
    ztoc = ctx.actions.declare_file(name + ".ztoc")
    descriptor = ctx.actions.declare_file(name + ".ztoc.json")
    args = action_args(ctx)
    args.add(blob, format = "--ztoc_of=%s")
    args.add(metadata, format = "--layer_metadata=%s")
    args.add(ztoc, format = "--output=%s")
    args.add(descriptor, format = "--metadata=%s")
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        inputs = [blob, metadata],
        outputs = [ztoc, descriptor],
        mnemonic = "LayerZtoc",
        progress_message = "Indexing layer %{label}",
        execution_requirements = EXECUTION_REQUIREMENTS,
    )
    return LayerInfo(blob = ztoc, media_type = _MEDIA_TYPE, metadata = descriptor)

def soci_index(ctx, layers, platform):
    """Declares the SOCI index of an image; its files are outputs of the image's own action.

    Args:
        ctx: the context of a rule that has the attribute `soci`.
        layers: list of LayerInfo, all layers of the image.
        platform: struct, the image's.

    Returns:
        ImageManifestInfo of the index, or None.
    """
    if ctx.attr.soci == "disabled":
        return None
    ztocs = [layer.ztoc for layer in layers if getattr(layer, "ztoc", None)]
    if not ztocs:
        if ctx.attr.soci == "enabled":
            fail("%s, soci: no layer has a zTOC. Set soci = \"enabled\" on the layers that are to have one." % label_text(ctx.label))
        return None
    documents = declare_documents(ctx, ctx.label.name + ".soci")
    return ImageManifestInfo(
        config = documents.config,
        descriptor = documents.descriptor,
        digest = documents.digest,
        layers = ztocs,
        layouts = [],
        manifest = documents.manifest,
        sources = [],
        **platform_fields(platform)
    )
