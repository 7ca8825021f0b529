"""image_index: images for several platforms under one name."""

load("//rules:providers.bzl", "ImageIndexInfo", "ImageManifestInfo")
load(":checks.bzl", "check_keys")
load(":documents.bzl", "image_info", "index_output_groups")
load(":labels.bzl", "label_text")
load(":layouts.bzl", "LAYOUT_ATTRS")
load(":platforms.bzl", "platform_name")
load(":spec.bzl", "SPEC_ATTRS", "spec_providers")
load(":stamping.bzl", "STAMP_ATTRS", "build_setting_values", "has_template", "status_files")
load(":worker.bzl", "EXECUTION_REQUIREMENTS", "action_args")

_DOC = """An image for several platforms.

With `platforms`, each image in `manifests` is built once for each platform.

Values of `annotations`, in the attribute and the file, may be templates as in `image_manifest`;
`{{.base...}}` is the first image.

SOCI indexes of the images are listed behind them, so they are in layouts and archives, and go where
the index is copied.

Output groups: `descriptor`, `digest`, `root_blob`, and made only when asked for, `oci_layout` and
`oci_tarball`.
"""

def _platforms_transition(_settings, attr):
    if not attr.platforms:
        return {}

    # By number: the label of an alias is that of what it names for the rule, and not here.
    return {
        str(number): {"//command_line_option:platforms": str(platform)}
        for number, platform in enumerate(attr.platforms)
    }

_by_platform = transition(
    implementation = _platforms_transition,
    inputs = [],
    outputs = ["//command_line_option:platforms"],
)

_ATTRS = LAYOUT_ATTRS | SPEC_ATTRS | STAMP_ATTRS | {
    "annotations": attr.string_dict(doc = "Annotations of the index."),
    "annotations_file": attr.label(allow_single_file = True, doc = "More annotations, `KEY=VALUE` lines or JSON; they win over `annotations`."),
    "manifests": attr.label_list(
        mandatory = True,
        cfg = _by_platform,
        providers = [[ImageManifestInfo], [ImageIndexInfo]],
        doc = "Images, each for one platform. An index among them stands for its images.",
    ),
    "platforms": attr.label_list(providers = [platform_common.PlatformInfo], doc = "Platforms to build every image of `manifests` for."),
    "subject": attr.label(providers = [[ImageManifestInfo], [ImageIndexInfo]], doc = "Image that this one refers to."),
    "_tool": attr.label(default = "//tools/lading/actions:index_program", cfg = "exec", executable = True),
}

def _impl(ctx):
    check_keys(ctx.attr.annotations, what = "%s, annotations" % label_text(ctx.label))
    if not ctx.attr.manifests:
        fail("%s, manifests: the list is empty. Name at least one image." % label_text(ctx.label))
    name = ctx.label.name
    index = ctx.actions.declare_file(name + ".index.json")
    descriptor = ctx.actions.declare_file(name + ".descriptor.json")
    digest = ctx.actions.declare_file(name + ".digest")
    manifests = _manifests(ctx)

    args = action_args(ctx)
    args.add_all([manifest.descriptor for manifest in manifests], format_each = "--manifest_descriptor=%s")
    indexed = [manifest for manifest in manifests if getattr(manifest, "soci", None)]
    args.add_all(["--soci=%s\t%s" % (manifest.soci.descriptor.path, manifest.descriptor.path) for manifest in indexed])
    args.add_all(["--annotation=%s=%s" % pair for pair in ctx.attr.annotations.items()])
    args.add_all(ctx.files.annotations_file, format_each = "--annotations_file=%s")
    inputs = [manifest.descriptor for manifest in manifests] + ctx.files.annotations_file
    inputs += [manifest.soci.descriptor for manifest in indexed]
    status = status_files(ctx, ctx.attr.annotations.values(), ctx.files.annotations_file)
    settings = build_setting_values(ctx)
    if settings:
        args.add(json.encode(settings), format = "--build_settings=%s")
    args.add_all(status, format_each = "--status_file=%s")
    args.add("--label=" + label_text(ctx.label))
    inputs += status
    if ctx.files.annotations_file or has_template(ctx.attr.annotations.values()):
        args.add(manifests[0].manifest, format = "--base_manifest=%s")
        args.add(manifests[0].config, format = "--base_config=%s")
        inputs += [manifests[0].manifest, manifests[0].config]
    if ctx.attr.subject:
        subject = image_info(ctx.attr.subject).descriptor
        args.add(subject, format = "--subject=%s")
        inputs.append(subject)
    args.add(index, format = "--index=%s")
    args.add(descriptor, format = "--descriptor=%s")
    args.add(digest, format = "--digest=%s")
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        inputs = inputs,
        outputs = [index, descriptor, digest],
        mnemonic = "ImageIndex",
        progress_message = "Assembling image index %{label}",
        execution_requirements = EXECUTION_REQUIREMENTS,
    )
    info = ImageIndexInfo(descriptor = descriptor, digest = digest, index = index, manifests = manifests)
    return [
        DefaultInfo(files = depset([index, digest])),
        info,
        index_output_groups(ctx, info),
    ] + spec_providers(ctx, info)

def _targets(ctx):
    """The images in the order of the BUILD file; Bazel orders configurations by itself."""
    if not ctx.attr.platforms:
        return ctx.attr.manifests
    return [
        target
        for number in range(len(ctx.attr.platforms))
        for target in ctx.split_attr.manifests[str(number)]
    ]

def _manifests(ctx):
    manifests = []
    seen = {}
    for target in _targets(ctx):
        for manifest in _images(target):
            platform = platform_name(manifest.platform)
            if platform in seen:
                fail("%s, manifests: %s and %s are both for %s. Keep one of them." % (label_text(ctx.label), label_text(seen[platform]), label_text(target.label), platform))
            seen[platform] = target.label
            manifests.append(manifest)
    return manifests

def _images(target):
    if ImageManifestInfo in target:
        return [target[ImageManifestInfo]]

    # What is for no platform belongs to the images of that index: attestations and the like.
    return [manifest for manifest in target[ImageIndexInfo].manifests if manifest.platform.os != "unknown"]

image_index = rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
    provides = [ImageIndexInfo],
)
