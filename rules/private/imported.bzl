"""Images that are known before any action runs: those that `pull` fetches."""

load("//rules:providers.bzl", "ImageIndexInfo", "ImageManifestInfo", "LayerInfo")
load(":documents.bzl", "index_output_groups", "manifest_output_groups")
load(":layouts.bzl", "LAYOUT_ATTRS")
load(":platforms.bzl", "platform_fields")

_FETCH_ATTRS = {
    "_fetch": attr.label(default = "//tools/lading/actions:pull_program", cfg = "exec", executable = True),
}

_MANIFEST_ATTRS = LAYOUT_ATTRS | _FETCH_ATTRS | {
    "architecture": attr.string(mandatory = True, doc = "GOARCH."),
    "blobs": attr.label_list(allow_files = True, doc = "The layers that are here, each under the hex of its digest."),
    "config": attr.label(allow_single_file = True, mandatory = True, doc = "The image config."),
    "descriptor": attr.label(allow_single_file = True, mandatory = True, doc = "The manifest's descriptor."),
    "digest": attr.label(allow_single_file = True, mandatory = True, doc = "The manifest's digest."),
    "layers": attr.label_keyed_string_dict(allow_files = [".json"], doc = "Metadata of each layer, lowest first, to `DIGEST SIZE MEDIATYPE`."),
    "lazy": attr.bool(doc = "Whether build actions fetch layers that are not here."),
    "manifest": attr.label(allow_single_file = True, mandatory = True, doc = "The image manifest."),
    "os": attr.string(mandatory = True, doc = "GOOS."),
    "sources": attr.string_list(doc = "Places that have the layers: `registry/repository`, the first asked first."),
    "variant": attr.string(doc = "CPU variant."),
}

def _manifest_impl(ctx):
    sources = [_source(source) for source in ctx.attr.sources]
    here = {blob.basename: blob for blob in ctx.files.blobs}
    layers = []
    for number, (target, described) in enumerate(ctx.attr.layers.items()):
        digest, size, media_type = described.split(" ")
        blob = here.get(digest.partition(":")[2])
        if not blob and ctx.attr.lazy:
            blob = _fetch_layer(ctx, number, digest, size, sources)
        layers.append(LayerInfo(blob = blob, media_type = media_type, metadata = target.files.to_list()[0]))
    info = ImageManifestInfo(
        config = ctx.file.config,
        descriptor = ctx.file.descriptor,
        digest = ctx.file.digest,
        layers = layers,
        layouts = [],
        manifest = ctx.file.manifest,
        sources = sources,
        **platform_fields(struct(os = ctx.attr.os, architecture = ctx.attr.architecture, variant = ctx.attr.variant))
    )
    return [
        DefaultInfo(files = depset([info.manifest, info.config, info.digest])),
        info,
        manifest_output_groups(ctx, info),
    ]

def _fetch_layer(ctx, number, digest, size, sources):
    blob = ctx.actions.declare_file("%s.layer%d" % (ctx.label.name, number))
    args = ctx.actions.args()
    args.add_all([source.registry for source in sources], format_each = "--registry=%s")
    args.add(sources[0].repository, format = "--repository=%s")
    args.add(digest, format = "--layer=%s")
    args.add(size, format = "--size=%s")
    args.add(blob, format = "--output=%s")
    ctx.actions.run(
        executable = ctx.executable._fetch,
        arguments = [args],
        outputs = [blob],
        mnemonic = "LayerFetch",
        progress_message = "Fetching a layer of %{label}",
        # Credentials are found by the variables that --action_env lets through.
        use_default_shell_env = True,
        execution_requirements = {"no-remote-exec": "1", "requires-network": "1"},
    )
    return blob

def _source(text):
    registry, _, repository = text.partition("/")
    return struct(registry = registry, repository = repository)

imported_manifest = rule(
    implementation = _manifest_impl,
    attrs = _MANIFEST_ATTRS,
    doc = "An image for one platform, as it was pulled.",
    provides = [ImageManifestInfo],
)

_INDEX_ATTRS = LAYOUT_ATTRS | {
    "descriptor": attr.label(allow_single_file = True, mandatory = True, doc = "The index's descriptor."),
    "digest": attr.label(allow_single_file = True, mandatory = True, doc = "The index's digest."),
    "index": attr.label(allow_single_file = True, mandatory = True, doc = "The image index."),
    "manifests": attr.label_list(mandatory = True, providers = [ImageManifestInfo], doc = "The images that it lists."),
}

def _index_impl(ctx):
    info = ImageIndexInfo(
        descriptor = ctx.file.descriptor,
        digest = ctx.file.digest,
        index = ctx.file.index,
        manifests = [target[ImageManifestInfo] for target in ctx.attr.manifests],
    )
    return [
        DefaultInfo(files = depset([info.index, info.digest])),
        info,
        index_output_groups(ctx, info),
    ]

imported_index = rule(
    implementation = _index_impl,
    attrs = _INDEX_ATTRS,
    doc = "An image for several platforms, as it was pulled.",
    provides = [ImageIndexInfo],
)
