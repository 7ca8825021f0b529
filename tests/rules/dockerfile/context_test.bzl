"""Analysis test of what the rules that ask a builder hand over."""

load("@bazel_skylib//lib:unittest.bzl", "analysistest", "asserts")

def _values(argv, flag):
    return [word.removeprefix(flag) for word in argv if word.startswith(flag)]

def _impl(ctx):
    env = analysistest.begin(ctx)
    [build] = [
        action
        for action in analysistest.target_actions(env)
        if action.mnemonic in ("DockerfileBuild", "ImageRunLayer")
    ]
    files = [word.split("\t") for word in _values(build.argv, "--file=")]
    found = ["%s=%s" % (path, source.split("/")[-1]) for path, source in files]
    asserts.equals(env, ctx.attr.files, found)
    asserts.equals(env, [ctx.attr.label], _values(build.argv, "--label="))
    asserts.equals(env, [], [word for word in ctx.attr.words if word not in build.argv])
    return analysistest.end(env)

context_test = analysistest.make(
    _impl,
    attrs = {"files": attr.string_list(), "label": attr.string(), "words": attr.string_list()},
)
