"""A layout as rules_oci's oci_image has it: a directory whose blobs are links to files elsewhere."""

def _impl(ctx):
    output = ctx.actions.declare_directory(ctx.label.name)
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [ctx.file.layout.path, output.path],
        inputs = [ctx.file.layout],
        outputs = [output],
        mnemonic = "RulesOciForm",
    )

    # As there: the directory is the output, what its links lead to are runfiles.
    return [DefaultInfo(
        files = depset([output]),
        runfiles = ctx.runfiles(files = [output, ctx.file.layout]),
    )]

rules_oci_form = rule(
    implementation = _impl,
    attrs = {
        "layout": attr.label(allow_single_file = True, mandatory = True),
        "_tool": attr.label(default = "//tests/rules/imports:rules_oci_form_tool", cfg = "exec", executable = True),
    },
    doc = "Rewrites a layout into the form of rules_oci.",
)
