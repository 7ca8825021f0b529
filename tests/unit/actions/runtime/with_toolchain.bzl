"""A program built with a toolchain that is registered for it alone."""

def _transition_impl(_settings, attr):
    return {"//command_line_option:extra_toolchains": [attr.toolchain]}

_transition = transition(
    implementation = _transition_impl,
    inputs = [],
    outputs = ["//command_line_option:extra_toolchains"],
)

def _impl(ctx):
    info = ctx.attr.program[0][DefaultInfo]
    return DefaultInfo(files = depset([info.files_to_run.executable]), runfiles = info.default_runfiles)

with_toolchain = rule(
    implementation = _impl,
    attrs = {
        "program": attr.label(cfg = _transition),
        "toolchain": attr.string(),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
)
