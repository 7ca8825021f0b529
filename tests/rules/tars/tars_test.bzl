"""Analysis tests of layer_from_tar: when an archive stays as it is."""

load("@bazel_skylib//lib:unittest.bzl", "analysistest", "asserts")
load("//rules:defs.bzl", "LayerInfo", "layer_from_tar")

def _kept_impl(ctx):
    env = analysistest.begin(ctx)
    mnemonics = sorted([action.mnemonic for action in analysistest.target_actions(env)])
    info = analysistest.target_under_test(env)[LayerInfo]
    if ctx.attr.kept:
        asserts.equals(env, ["LayerDescribe", "LayerMtree"], mnemonics)
        asserts.equals(env, "data.tar", info.blob.basename)
    else:
        asserts.true(env, "LayerTar" in mnemonics, str(mnemonics))
    asserts.equals(env, ctx.attr.media_type, info.media_type)
    return analysistest.end(env)

_kept_test = analysistest.make(_kept_impl, attrs = {
    "kept": attr.bool(),
    "media_type": attr.string(),
})

def kept_test(name, *, kept, media_type, **kwargs):
    """Declares a layer_from_tar of `:data`, and the test that it is kept, or packed anew.

    Args:
        name: string, name of the layer; the test is `NAME_test`.
        kept: bool, whether the archive is the layer.
        media_type: string, what the layer has to be.
        **kwargs: attributes of layer_from_tar.
    """
    layer_from_tar(name = name, src = ":data", tags = ["manual"], **kwargs)
    _kept_test(name = name + "_test", kept = kept, media_type = media_type, target_under_test = name)
