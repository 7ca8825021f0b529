"""ca_bundle: /etc/ssl/certs/ca-certificates.crt, made from the package ca-certificates."""

load(":worker.bzl", "EXECUTION_REQUIREMENTS", "action_args")

_DOC = "The certificates of a ca-certificates package, one after the other in one file."

_ATTRS = {
    "deb": attr.label(mandatory = True, allow_single_file = [".deb"], doc = "The package, `@debian//ca-certificates`."),
    "_tool": attr.label(default = "//tools/lading/actions:ca_bundle_program", cfg = "exec", executable = True),
}

def _impl(ctx):
    output = ctx.actions.declare_file(ctx.label.name + ".crt")
    args = action_args(ctx)
    args.add(ctx.file.deb, format = "--deb=%s")
    args.add(output, format = "--output=%s")
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        inputs = [ctx.file.deb],
        outputs = [output],
        mnemonic = "CaBundle",
        progress_message = "Joining certificates %{label}",
        execution_requirements = EXECUTION_REQUIREMENTS,
    )
    return [DefaultInfo(files = depset([output]))]

ca_bundle = rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
)
