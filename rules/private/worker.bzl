"""How lading's tools are run in build actions: as persistent JSON workers where allowed."""

# https://bazel.build/remote/creating: the tools speak the JSON protocol, serve many requests at
# once, and end one that is cancelled; without workers (remote execution, sandboxes) they run once
# per action. With --experimental_worker_multiplex_sandboxing each request runs in a directory of
# its own; --worker_sandboxing is about workers that serve one at a time (--noworker_multiplex).
EXECUTION_REQUIREMENTS = {
    "requires-worker-protocol": "json",
    "supports-multiplex-sandboxing": "1",
    "supports-multiplex-workers": "1",
    "supports-worker-cancellation": "1",
    "supports-workers": "1",
}

def action_args(ctx):
    """Arguments in the form that the tools read: one a line in a parameter file.

    Args:
        ctx: the rule's context.

    Returns:
        Args.
    """
    args = ctx.actions.args()
    args.set_param_file_format("multiline")
    args.use_param_file("@%s", use_always = True)
    return args
