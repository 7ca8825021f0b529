"""Attributes that Bazel gives to every rule, and macros to every target that they declare."""

_COMMON = [
    "compatible_with",
    "deprecation",
    "exec_compatible_with",
    "exec_properties",
    "features",
    "package_metadata",
    "restricted_to",
    "target_compatible_with",
]

def take_common(attributes):
    """Takes those out of the `**kwargs` of a macro that are for all of its targets.

    Args:
        attributes: dict of string to values, from which they are removed.

    Returns:
        dict of string to values. `tags`, `testonly` and `visibility` are parameters of each macro.
    """
    return {name: attributes.pop(name) for name in _COMMON if name in attributes}
