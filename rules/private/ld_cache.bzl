"""ld_cache: /etc/ld.so.cache, which ldconfig makes at installation."""

load(":tar_layers.bzl", "TAR_LAYER_ATTRS", "layers_of")
load(":worker.bzl", "EXECUTION_REQUIREMENTS", "action_args")

_DOC = """/etc/ld.so.cache for the shared libraries in `layers`, as ldconfig(8) would write it.

The cache names libraries and no versions, so an update of a package rarely changes it. Put it into an
`image_layer` above all of `layers`, with mode 0644.
"""

_ATTRS = TAR_LAYER_ATTRS | {
    "layers": attr.label_list(
        allow_files = True,
        allow_empty = False,
        mandatory = True,
        doc = "All layers of the image that have libraries or files of /etc/ld.so.conf.d, lowest first.",
    ),
    "_ld_cache": attr.label(default = "//tools/lading/actions:ld_cache", cfg = "exec", executable = True),
}

def _impl(ctx):
    output = ctx.actions.declare_file(ctx.label.name + ".cache")
    blobs = [layer.blob for layer in layers_of(ctx, ctx.attr.layers)]
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
