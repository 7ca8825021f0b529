"""image_index: images for several platforms under one name."""

load("//rules:providers.bzl", "ImageIndexInfo", "ImageManifestInfo")
load(":layouts.bzl", "LAYOUT_ATTRS", "layout_output_groups")
load(":worker.bzl", "EXECUTION_REQUIREMENTS", "action_args")

_DOC = """An image for several platforms.

With `platforms`, each image in `manifests` is built once for each platform.
"""

def _platforms_transition(_settings, attr):
    if not attr.platforms:
        return {}
    return {str(platform): {"//command_line_option:platforms": str(platform)} for platform in attr.platforms}

_by_platform = transition(
    implementation = _platforms_transition,
    inputs = [],
    outputs = ["//command_line_option:platforms"],
)

_ATTRS = LAYOUT_ATTRS | {
    "annotations": attr.string_dict(doc = "Annotations of the index."),
    "annotations_file": attr.label(allow_single_file = True, doc = "More annotations, `KEY=VALUE` lines."),
    "manifests": attr.label_list(
        mandatory = True,
        cfg = _by_platform,
        providers = [ImageManifestInfo],
        doc = "Images, each for one platform.",
    ),
    "platforms": attr.label_list(providers = [platform_common.PlatformInfo], doc = "Platforms to build every image of `manifests` for."),
    "_tool": attr.label(default = "//tools/lading/actions:index", cfg = "exec", executable = True),
}

def _impl(ctx):
    name = ctx.label.name
    index = ctx.actions.declare_file(name + ".index.json")
    descriptor = ctx.actions.declare_file(name + ".descriptor.json")
    digest = ctx.actions.declare_file(name + ".digest")
    manifests = _manifests(ctx)

    args = action_args(ctx)
    args.add_all([manifest.descriptor for manifest in manifests], format_each = "--manifest_descriptor=%s")
    args.add_all(["--annotation=%s=%s" % pair for pair in ctx.attr.annotations.items()])
    args.add_all(ctx.files.annotations_file, format_each = "--annotations_file=%s")
    args.add(index, format = "--index=%s")
    args.add(descriptor, format = "--descriptor=%s")
    args.add(digest, format = "--digest=%s")
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        inputs = [manifest.descriptor for manifest in manifests] + ctx.files.annotations_file,
        outputs = [index, descriptor, digest],
        mnemonic = "ImageIndex",
        progress_message = "Assembling image index %{label}",
        execution_requirements = EXECUTION_REQUIREMENTS,
    )
    documents = [index] + [file for manifest in manifests for file in (manifest.manifest, manifest.config)]
    return [
        DefaultInfo(files = depset([index, digest])),
        ImageIndexInfo(descriptor = descriptor, digest = digest, index = index, manifests = manifests),
        OutputGroupInfo(
            descriptor = depset([descriptor]),
            digest = depset([digest]),
            **layout_output_groups(ctx, descriptor, documents, manifests)
        ),
    ]

def _targets(ctx):
    """The images in the order of the BUILD file; Bazel orders configurations by itself."""
    if not ctx.attr.platforms:
        return ctx.attr.manifests
    return [
        target
        for platform in ctx.attr.platforms
        for target in ctx.split_attr.manifests[str(platform.label)]
    ]

def _manifests(ctx):
    manifests = []
    seen = {}
    for target in _targets(ctx):
        manifest = target[ImageManifestInfo]
        platform = "/".join([word for word in (manifest.platform.os, manifest.platform.architecture, manifest.platform.variant) if word])
        if platform in seen:
            fail("%s, manifests: %s and %s are both for %s. Keep one of them." % (ctx.label, seen[platform], target.label, platform))
        seen[platform] = target.label
        manifests.append(manifest)
    return manifests

image_index = rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
    provides = [ImageIndexInfo],
)
