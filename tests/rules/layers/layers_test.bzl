"""Analysis tests of layers: their formats, and how the files of a program are divided."""

load("@bazel_skylib//lib:unittest.bzl", "analysistest", "asserts", "unittest")
load("//rules:defs.bzl", "LayerInfo")
load("//rules:providers.bzl", "DeployInfo", "LayersInfo")

# buildifier: disable=bzl-visibility
load("//rules/private:splitting.bzl", "split_runfiles")

def _format_impl(ctx):
    env = analysistest.begin(ctx)
    target = analysistest.target_under_test(env)
    info = target[LayerInfo]
    asserts.equals(env, ctx.attr.media_type, info.media_type)
    asserts.true(env, info.blob.basename.endswith(ctx.attr.suffix), info.blob.basename)
    for group in ["layer", "metadata"] + (["mtree"] if ctx.attr.mtree else []):
        asserts.equals(env, 1, len(getattr(target[OutputGroupInfo], group).to_list()), group)
    mnemonics = [action.mnemonic for action in analysistest.target_actions(env)]
    asserts.true(env, ctx.attr.mnemonic in mnemonics, str(mnemonics))
    return analysistest.end(env)

_ATTRS = {
    "media_type": attr.string(mandatory = True),
    "mnemonic": attr.string(default = "LayerTar"),
    "mtree": attr.bool(default = True),
    "suffix": attr.string(mandatory = True),
}

format_test = analysistest.make(_format_impl, attrs = _ATTRS)

estargz_flag_test = analysistest.make(
    _format_impl,
    attrs = _ATTRS,
    config_settings = {str(Label("//rules/settings:estargz")): "enabled"},
)

zstd_flag_test = analysistest.make(
    _format_impl,
    attrs = _ATTRS,
    config_settings = {str(Label("//rules/settings:compress")): "zstd"},
)

def _ztoc_impl(ctx):
    env = analysistest.begin(ctx)
    target = analysistest.target_under_test(env)
    ztoc = getattr(target[LayerInfo], "ztoc", None)
    asserts.equals(env, ctx.attr.ztoc, ztoc.blob.basename if ztoc else "")
    asserts.equals(env, [ztoc.blob] if ztoc else [], target[OutputGroupInfo].ztoc.to_list())
    return analysistest.end(env)

_ZTOC_ATTRS = {"ztoc": attr.string()}

ztoc_test = analysistest.make(_ztoc_impl, attrs = _ZTOC_ATTRS)

soci_flag_test = analysistest.make(
    _ztoc_impl,
    attrs = _ZTOC_ATTRS,
    config_settings = {str(Label("//rules/settings:soci")): "enabled"},
)

def _soci_push_impl(ctx):
    env = analysistest.begin(ctx)
    (operation,) = analysistest.target_under_test(env)[DeployInfo].operations
    asserts.equals(env, ctx.attr.referrers, len(operation.referrers))
    for index in operation.referrers:
        asserts.equals(env, ctx.attr.ztocs, [layer.blob.basename for layer in index.layers])
    return analysistest.end(env)

soci_push_test = analysistest.make(
    _soci_push_impl,
    attrs = {"referrers": attr.int(), "ztocs": attr.string_list()},
)

def _groups_impl(ctx):
    env = analysistest.begin(ctx)
    target = analysistest.target_under_test(env)
    layers = target[LayersInfo].layers
    asserts.equals(env, [layer.mtree for layer in layers], target[OutputGroupInfo].mtree.to_list())
    return analysistest.end(env)

program_groups_test = analysistest.make(_groups_impl)

def _lines_impl(ctx):
    env = analysistest.begin(ctx)
    [action] = [action for action in analysistest.target_actions(env) if action.mnemonic == "LayerTar"]
    for line in ctx.attr.lines:
        asserts.equals(env, 1, len([word for word in action.argv if word.startswith(line)]), line)
    return analysistest.end(env)

# What the layer's tool is told begins with these, each once.
lines_test = analysistest.make(_lines_impl, attrs = {"lines": attr.string_list()})

def _files(*paths):
    return [struct(short_path = path) for path in paths]

_INTERPRETER = _files("../python_3_14/bin/python3.14", "../python_3_14/lib/os.py")
_SMALL = _files("../small/a.py")
_MIDDLE = _files("../middle/a.py", "../middle/b.py", "../middle/c.py")
_LARGE = _files("../large/0.py", "../large/1.py", "../large/2.py", "../large/3.py")
_OWN = _files("app/main.py", "tools/bin/python3")

def _split_impl(ctx):
    env = unittest.begin(ctx)
    every = _SMALL + _OWN + _MIDDLE + _INTERPRETER + _LARGE
    asserts.equals(env, [], split_runfiles(every, 0, len))
    asserts.equals(env, [], split_runfiles(_OWN, 5, len))
    asserts.equals(env, [_INTERPRETER + _LARGE + _MIDDLE + _SMALL], [_sorted(group, _INTERPRETER + _LARGE + _MIDDLE + _SMALL) for group in split_runfiles(every, 1, len)])
    asserts.equals(env, [_INTERPRETER, _LARGE + _MIDDLE + _SMALL], split_runfiles(every, 2, len))
    asserts.equals(env, [_INTERPRETER, _LARGE, _MIDDLE + _SMALL], split_runfiles(every, 3, len))
    for room in (4, 5, 100):
        asserts.equals(env, [_INTERPRETER, _LARGE, _MIDDLE, _SMALL], split_runfiles(every, room, len))
    asserts.equals(env, [_LARGE, _SMALL], split_runfiles(_SMALL + _LARGE, 3, len))
    return unittest.end(env)

def _sorted(files, order):
    return [file for file in order if file in files]

split_test = unittest.make(_split_impl)

def _weighed_impl(ctx):
    env = unittest.begin(ctx)

    def weigh(files):
        return 1000 if files[0].short_path.startswith("../small/") else len(files)

    asserts.equals(env, [_SMALL, _LARGE + _MIDDLE], split_runfiles(_LARGE + _MIDDLE + _SMALL, 2, weigh), "sizes count, not numbers")
    return unittest.end(env)

weighed_split_test = unittest.make(_weighed_impl)

def split_test_suite(name):
    """Declares the tests of how runfiles are divided.

    Args:
        name: string, name of the suite.
    """
    unittest.suite(name, split_test, weighed_split_test)
