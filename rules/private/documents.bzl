"""The documents of images: declared and given alike by every rule that makes them."""

load("//rules:providers.bzl", "ImageIndexInfo", "ImageManifestInfo")
load(":layouts.bzl", "layout_output_groups")
load(":platforms.bzl", "platform_fields")

def image_info(target):
    """The provider that describes the image of `target`."""
    return target[ImageManifestInfo] if ImageManifestInfo in target else target[ImageIndexInfo]

def declare_documents(ctx, name = None):
    """Declares the files that describe an image.

    Args:
        ctx: the context of a rule.
        name: string, what they are named after; by default the target.

    Returns:
        struct of File: config, descriptor, digest, manifest.
    """
    name = name or ctx.label.name
    return struct(
        config = ctx.actions.declare_file(name + ".config.json"),
        descriptor = ctx.actions.declare_file(name + ".descriptor.json"),
        digest = ctx.actions.declare_file(name + ".digest"),
        manifest = ctx.actions.declare_file(name + ".manifest.json"),
    )

def manifest_output_groups(ctx, info):
    """The output groups of an image, those with its layout among them.

    Args:
        ctx: the context of a rule that has LAYOUT_ATTRS.
        info: ImageManifestInfo.

    Returns:
        OutputGroupInfo.
    """
    soci = getattr(info, "soci", None)
    return OutputGroupInfo(
        config = depset([info.config]),
        descriptor = depset([info.descriptor]),
        digest = depset([info.digest]),
        manifest = depset([info.manifest]),
        root_blob = depset([info.manifest]),
        soci = depset([soci.manifest] if soci else []),
        **layout_output_groups(ctx, info)
    )

def index_output_groups(ctx, info):
    """The output groups of an image for several platforms, those with its layout among them.

    Args:
        ctx: the context of a rule that has LAYOUT_ATTRS.
        info: ImageIndexInfo.

    Returns:
        OutputGroupInfo.
    """
    return OutputGroupInfo(
        descriptor = depset([info.descriptor]),
        digest = depset([info.digest]),
        root_blob = depset([info.index]),
        **layout_output_groups(ctx, info)
    )

def add_documents(args, documents):
    """Adds the flags that say where a tool writes them.

    Args:
        args: Args of the tool.
        documents: what `declare_documents` made.

    Returns:
        list of File, the outputs.
    """
    args.add(documents.manifest, format = "--manifest=%s")
    args.add(documents.config, format = "--config=%s")
    args.add(documents.descriptor, format = "--descriptor=%s")
    args.add(documents.digest, format = "--digest=%s")
    return [documents.manifest, documents.config, documents.descriptor, documents.digest]

def image_in_layout(ctx, documents, layout, platform):
    """The providers of an image whose layers are in a layout that an action wrote.

    Args:
        ctx: the context of a rule that has LAYOUT_ATTRS.
        documents: what `declare_documents` made.
        layout: File, the directory.
        platform: struct, what `target_platform` says.

    Returns:
        list of providers.
    """
    info = ImageManifestInfo(
        config = documents.config,
        descriptor = documents.descriptor,
        digest = documents.digest,
        layers = [],
        layouts = [layout],
        manifest = documents.manifest,
        sources = [],
        **platform_fields(platform)
    )
    return [
        DefaultInfo(files = depset([info.manifest, info.config, info.digest])),
        info,
        manifest_output_groups(ctx, info),
    ]
