"""image_import: an OCI layout or an archive as a base."""

load("//rules:providers.bzl", "ImageManifestInfo")
load(":documents.bzl", "add_documents", "declare_documents", "image_in_layout")
load(":labels.bzl", "label_text")
load(":layouts.bzl", "LAYOUT_ATTRS")
load(":platforms.bzl", "PLATFORM_ATTRS", "platform_name", "target_platform")
load(":worker.bzl", "EXECUTION_REQUIREMENTS", "action_args")

_DOC = """An image that another tool has written, as a base for `image_manifest`.

`src` is an OCI image layout, a directory that a rule makes (such as the output of rules_oci's
`oci_image`, `oci_image_index` or `oci_pull`) or its files by `glob`; or a tar archive: one of a
layout, of `docker save` or of `podman save`. Of an image for several platforms, the one for the
target platform is taken; where there is none, the build says which there are.

Layers of a layout directory are not copied: they are read where they are when an image is pushed,
loaded or saved.
"""

_ATTRS = PLATFORM_ATTRS | LAYOUT_ATTRS | {
    "ref": attr.string(doc = "Tag of the image, where the layout holds several."),
    "src": attr.label(allow_files = True, mandatory = True, doc = "The layout or the archive."),
    "_tool": attr.label(default = "//tools/lading/actions:import_image_program", cfg = "exec", executable = True),
}

def _impl(ctx):
    platform = target_platform(ctx)
    documents = declare_documents(ctx)

    args = action_args(ctx)
    source = _source(ctx, args)
    if source.layout:
        layout = source.layout
    else:
        layout = ctx.actions.declare_directory(ctx.label.name + ".layers")
        args.add("--layout=" + layout.path)
    args.add("--label=" + label_text(ctx.label))
    args.add("--platform=" + platform_name(platform))
    if ctx.attr.ref:
        args.add("--ref=" + ctx.attr.ref)
    outputs = add_documents(args, documents)
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        inputs = ctx.files.src,
        outputs = outputs if source.layout else outputs + [layout],
        mnemonic = "ImageImport",
        progress_message = "Importing image %{label}",
        execution_requirements = EXECUTION_REQUIREMENTS,
    )
    return image_in_layout(ctx, documents, layout, platform)

def _source(ctx, args):
    """Says where the image is; `layout` is the directory that already holds its layers."""
    files = ctx.files.src
    if len(files) == 1 and files[0].is_directory:
        args.add("--directory=" + files[0].path)
        return struct(layout = files[0])
    if len(files) == 1:
        args.add("--archive=" + files[0].path)
        return struct(layout = None)
    indexes = [file for file in files if file.basename == "index.json"]
    if len(indexes) != 1:
        fail("%s, src: %s has %d files and %d of them are an index.json. Name one layout: a directory, all of its files, or one archive." % (
            label_text(ctx.label),
            label_text(ctx.attr.src.label),
            len(files),
            len(indexes),
        ))
    args.add("--directory=" + indexes[0].dirname)
    return struct(layout = None)

image_import = rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
    provides = [ImageManifestInfo],
)
