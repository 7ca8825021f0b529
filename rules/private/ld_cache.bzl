"""ld_cache: /etc/ld.so.cache, which ldconfig makes at installation."""

load("//rules:providers.bzl", "ImageManifestInfo")
load(":labels.bzl", "label_text")
load(":tar_layers.bzl", "TAR_LAYER_ATTRS", "layers_of")
load(":worker.bzl", "EXECUTION_REQUIREMENTS", "action_args")

_DOC = """/etc/ld.so.cache for the shared libraries in `base` and `layers`, as ldconfig(8) would write it.

The cache names libraries and no versions, so an update of a package rarely changes it. Put it into an
`image_layer` above all of them, with mode 0644. Without an entry there the loader still finds libraries
in its usual directories; it takes longer, and does not look into those that /etc/ld.so.conf adds.
"""

_ATTRS = TAR_LAYER_ATTRS | {
    "base": attr.label(providers = [ImageManifestInfo], doc = "Image below `layers`; one whose layers are built or pulled here."),
    "layers": attr.label_list(
        allow_files = True,
        allow_empty = False,
        mandatory = True,
        doc = "All layers of the image that have libraries or files of /etc/ld.so.conf.d, lowest first.",
    ),
    "_ld_cache": attr.label(default = "//tools/lading/actions:ld_cache_program", cfg = "exec", executable = True),
}

def _impl(ctx):
    output = ctx.actions.declare_file(ctx.label.name + ".cache")
    below = []
    if ctx.attr.base:
        info = ctx.attr.base[ImageManifestInfo]
        below = info.layers
        if info.layouts or None in [layer.blob for layer in below]:
            fail("%s, base: layers of %s are not files here. Name an image that is built from layers, or pulled whole." % (
                label_text(ctx.label),
                label_text(ctx.attr.base.label),
            ))
    blobs = [layer.blob for layer in below + layers_of(ctx, ctx.attr.layers)]
    args = action_args(ctx)
    args.add(output, format = "--output=%s")
    args.add_all(blobs, format_each = "--layer=%s")
    ctx.actions.run(
        executable = ctx.executable._ld_cache,
        arguments = [args],
        inputs = blobs,
        outputs = [output],
        mnemonic = "LdCache",
        progress_message = "Listing libraries %{label}",
        execution_requirements = EXECUTION_REQUIREMENTS,
    )
    return [DefaultInfo(files = depset([output]))]

ld_cache = rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
)
