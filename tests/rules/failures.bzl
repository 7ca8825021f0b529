"""Tests that a mistake in a BUILD file fails in the analysis phase with the right message."""

load("@bazel_skylib//lib:unittest.bzl", "analysistest", "asserts")

def _impl(ctx):
    env = analysistest.begin(ctx)
    asserts.expect_failure(env, ctx.attr.message)
    return analysistest.end(env)

_failure_test = analysistest.make(
    _impl,
    expect_failure = True,
    attrs = {"message": attr.string(mandatory = True)},
)

def failure_test(name, *, rule, target, message, **kwargs):
    """Declares a target that must not analyse, and the test that says so.

    Args:
        name: string, name of the test.
        rule: the rule or macro that makes the target.
        target: string, name of the target.
        message: string, part of the failure that has to be seen.
        **kwargs: the target's attributes.
    """

    # `tag` and `tags` differ: the target is manual so that `//...` leaves it alone.
    rule(name = target, tags = ["manual"], **kwargs)
    _failure_test(
        name = name,
        message = message,
        target_under_test = ":" + target,
    )

def attribute_failure_tests(*, rule, cases):
    """Declares a failure test for each value that an attribute must not have.

    Args:
        rule: the rule or macro that makes the targets.
        cases: list of (name of the target, attribute, value, what has to be said about it).
    """
    for name, attribute, value, message in cases:
        failure_test(
            name = name + "_test",
            message = "//%s:%s, %s: %s" % (native.package_name(), name, attribute, message),
            rule = rule,
            target = name,
            **{attribute: value}
        )
