"""multi_deploy: many pushes and loads as one command."""

load("//rules:providers.bzl", "DeployInfo")
load(":deploy.bzl", "LAUNCHER_ATTRS", "RUN_ATTRS", "STRATEGIES", "launcher", "operation_spec", "remote_spec", "run_environment")
load(":host.bzl", "host_program")
load(":labels.bzl", "label_text")

_DOC = """`bazel run` does what all `operations` do, as one command that shares their work.

A blob is uploaded to a registry once and mounted in every other repository that needs it. All
pushes come first, several at a time; images are loaded when every push has succeeded.
"""

_ATTRS = LAUNCHER_ATTRS | RUN_ATTRS | {
    "deploy_operations": attr.string_list(
        default = ["push", "load"],
        doc = "Which kinds of operations to do: `push`, `load`.",
    ),
    "load_strategy": attr.string(
        default = "auto",
        values = STRATEGIES,
        doc = "`strategy` of all loads; `auto` leaves it to each target.",
    ),
    "operations": attr.label_list(
        mandatory = True,
        doc = "What to do: `image_push`, `image_load`, other `multi_deploy` targets, and images with `push_specs` or `load_specs`.",
    ),
    "push_strategy": attr.string(
        default = "auto",
        values = STRATEGIES,
        doc = "`strategy` of all pushes; `auto` leaves it to each target.",
    ),
    "_tool": host_program("//tools/lading/commands:multi_deploy"),
}

def _impl(ctx):
    for kind in ctx.attr.deploy_operations:
        if kind not in ("push", "load"):
            fail("%s, deploy_operations: %r is no kind of operation. There are 'push' and 'load'." % (label_text(ctx.label), kind))
    for target in ctx.attr.operations:
        if DeployInfo not in target:
            # Bazel's own words, for a mandatory provider, name the provider only.
            fail("%s, operations: %s neither pushes nor loads. Name an image_push, image_load or multi_deploy target, or an image with push_specs or load_specs." % (label_text(ctx.label), label_text(target.label)))
    operations = [
        operation
        for target in ctx.attr.operations
        for operation in target[DeployInfo].operations
        if operation.kind in ctx.attr.deploy_operations
    ]
    if not operations:
        fail("%s: there is nothing to do, no operation is a %s." % (label_text(ctx.label), " or a ".join(ctx.attr.deploy_operations) or "kind of any sort"))
    values = []
    files = []
    inputs = []
    for operation in operations:
        override = ctx.attr.push_strategy if operation.kind == "push" else ctx.attr.load_strategy
        value, more_files, more_inputs = operation_spec(ctx, operation, operation.strategy if override == "auto" else override)
        values.append(value)
        files += more_files
        inputs += more_inputs
    spec = {
        "label": label_text(ctx.label),
        "operations": values,
        "remote": remote_spec(ctx),
        "version": 1,
    }
    return [
        launcher(ctx, ctx.attr._tool[0], spec, files, inputs),
        DeployInfo(operations = operations),
        run_environment(),
    ]

multi_deploy = rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
    executable = True,
    provides = [DeployInfo],
)
