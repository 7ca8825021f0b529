"""What macros hand to the targets that they declare."""

load("@bazel_skylib//lib:unittest.bzl", "asserts", "unittest")

def _impl(ctx):
    env = unittest.begin(ctx)
    asserts.equals(env, ctx.attr.expected, ctx.attr.found)
    return unittest.end(env)

_common_test = unittest.make(
    _impl,
    attrs = {
        "expected": attr.string_list(),
        "found": attr.string_list(),
    },
)

def common_test(name, macro, **kwargs):
    """Tests that a macro hands attributes of every rule to all of its targets.

    Args:
        name: string, of the test and, without its suffix, of the macro's target.
        macro: function.
        **kwargs: arguments of the macro.
    """
    before = native.existing_rules().keys()
    target = name.removesuffix("_test")
    macro(
        name = target,
        exec_properties = {"pool": "large"},
        features = ["some_feature"],
        tags = ["manual"],
        target_compatible_with = ["@platforms//os:linux"],
        **kwargs
    )
    declared = [
        rule
        for rule in native.existing_rules().values()
        if rule["name"] not in before and rule["kind"] != "alias"
    ]
    _common_test(
        name = name,
        expected = sorted([rule["name"] for rule in declared]),
        found = sorted([
            rule["name"]
            for rule in declared
            if rule.get("exec_properties") == {"pool": "large"} and
               rule.get("features") == ("some_feature",) and
               len(rule.get("target_compatible_with")) == 1
        ]),
    )
