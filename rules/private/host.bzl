"""What `bazel run` starts runs on this machine, whatever is built and wherever actions run."""

load("//tools/program:program.bzl", "PythonProgramInfo")

def _to_host_impl(settings, _attr):
    return {"//command_line_option:platforms": str(settings["//command_line_option:host_platform"])}

_to_host = transition(
    implementation = _to_host_impl,
    inputs = ["//command_line_option:host_platform"],
    outputs = ["//command_line_option:platforms"],
)

def host_program(label):
    """An attribute that is a program for this machine: not for the platform that actions run on.

    Args:
        label: string, a `python_program`.

    Returns:
        Attribute; of a rule's context it is a list with one target, as of any transition.
    """
    return attr.label(default = label, cfg = _to_host, providers = [PythonProgramInfo])
