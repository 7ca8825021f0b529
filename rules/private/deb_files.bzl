"""deb_files: some of the files of a Debian package, as an archive for `image_layer(tars = ...)`."""

load(":labels.bzl", "label_text")
load(":worker.bzl", "EXECUTION_REQUIREMENTS", "action_args")

_DOC = """Some of the files of a Debian package.

For a package of which an image needs data but not the programs. Scanners do not see the package.
"""

_ATTRS = {
    "deb": attr.label(mandatory = True, allow_single_file = [".deb"], doc = "The package."),
    "paths": attr.string_list(mandatory = True, allow_empty = False, doc = "Absolute paths; each stands for itself and what is below it."),
    "_tool": attr.label(default = "//tools/lading/actions:deb_files_program", cfg = "exec", executable = True),
}

def _impl(ctx):
    for path in ctx.attr.paths:
        if not path.startswith("/") or path.endswith("/"):
            fail("%s: path %r is not absolute, or ends in a slash." % (label_text(ctx.label), path))
    output = ctx.actions.declare_file(ctx.label.name + ".tar")
    args = action_args(ctx)
    args.add(ctx.file.deb, format = "--deb=%s")
    args.add(output, format = "--output=%s")
    args.add_all(ctx.attr.paths, format_each = "--path=%s")
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        inputs = [ctx.file.deb],
        outputs = [output],
        mnemonic = "DebFiles",
        progress_message = "Picking files of a package %{label}",
        execution_requirements = EXECUTION_REQUIREMENTS,
    )
    return [DefaultInfo(files = depset([output]))]

deb_files = rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
)
