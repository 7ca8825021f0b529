"""Analysis tests of images: which actions there are, and what goes into them."""

load("@bazel_skylib//lib:unittest.bzl", "analysistest", "asserts")
load("//rules:defs.bzl", "DeployInfo", "ImageIndexInfo", "ImageManifestInfo", "LayerInfo", "LayersInfo")

def _actions(env, mnemonic):
    return [action for action in analysistest.target_actions(env) if action.mnemonic == mnemonic]

def _manifest_inputs_impl(ctx):
    env = analysistest.begin(ctx)
    info = analysistest.target_under_test(env)[ImageManifestInfo]
    blobs = [layer.blob for layer in info.layers]
    asserts.equals(env, 2, len(blobs), "the base's layers come with the image")
    actions = _actions(env, "ImageManifest")
    asserts.equals(env, 1, len(actions))
    read = [file for file in actions[0].inputs.to_list() if file in blobs]
    asserts.equals(env, [], read, "the manifest action reads layers")
    return analysistest.end(env)

manifest_inputs_test = analysistest.make(_manifest_inputs_impl)

def _default_outputs_impl(ctx):
    env = analysistest.begin(ctx)
    target = analysistest.target_under_test(env)
    names = sorted([file.basename for file in target[DefaultInfo].files.to_list()])
    asserts.equals(
        env,
        ["image.config.json", "image.digest", "image.manifest.json", "layer.tar.gz"],
        names,
    )
    for group in ("descriptor", "digest", "docker_archive", "oci_layout", "oci_tarball"):
        asserts.true(env, hasattr(target[OutputGroupInfo], group), group)
    asserts.true(env, target[OutputGroupInfo].oci_layout.to_list()[0].is_directory)
    return analysistest.end(env)

default_outputs_test = analysistest.make(_default_outputs_impl)

def _action_count_impl(ctx):
    env = analysistest.begin(ctx)
    actions = _actions(env, "LayerTar")
    asserts.equals(env, 1, len(actions))
    names = sorted([file.basename for file in actions[0].outputs.to_list()])
    asserts.equals(env, ["layer.metadata.json", "layer.tar.gz"], names)
    return analysistest.end(env)

action_count_test = analysistest.make(_action_count_impl)

def _layer_forms_impl(ctx):
    env = analysistest.begin(ctx)
    target = analysistest.target_under_test(env)
    layer = target[LayerInfo]
    asserts.equals(env, [layer], target[LayersInfo].layers, "a layer is one of several, too")
    asserts.equals(env, [layer.blob], target[DefaultInfo].files.to_list(), "and one file")
    return analysistest.end(env)

layer_forms_test = analysistest.make(_layer_forms_impl)

def _runfiles_names(env):
    runfiles = analysistest.target_under_test(env)[DefaultInfo].default_runfiles
    names = [file.basename for file in runfiles.files.to_list()]
    names += [link.path.split("/")[-1] for link in runfiles.symlinks.to_list()]
    return names

def _push_runfiles_impl(ctx):
    env = analysistest.begin(ctx)
    asserts.true(env, RunEnvironmentInfo in analysistest.target_under_test(env), "what it reads of the environment is known")
    names = _runfiles_names(env)
    for name in ("layer.tar.gz", "layer.metadata.json", "image.config.json", "image.manifest.json", "push.deploy.json"):
        asserts.true(env, name in names, name + " is in the runfiles")
    return analysistest.end(env)

push_runfiles_test = analysistest.make(_push_runfiles_impl)

def _lazy_runfiles_impl(ctx):
    env = analysistest.begin(ctx)
    names = _runfiles_names(env)
    asserts.true(env, "layer.metadata.json" in names, "layer.metadata.json is in the runfiles")
    asserts.false(env, "layer.tar.gz" in names, "layer.tar.gz is not in the runfiles")
    return analysistest.end(env)

lazy_runfiles_test = analysistest.make(_lazy_runfiles_impl)

def _operations_impl(ctx):
    env = analysistest.begin(ctx)
    operations = analysistest.target_under_test(env)[DeployInfo].operations
    asserts.equals(env, ctx.attr.kinds, [operation.kind for operation in operations])
    return analysistest.end(env)

operations_test = analysistest.make(_operations_impl, attrs = {"kinds": attr.string_list()})

def _index_platforms_impl(ctx):
    env = analysistest.begin(ctx)
    manifests = analysistest.target_under_test(env)[ImageIndexInfo].manifests
    platforms = [(manifest.platform.os, manifest.platform.architecture, manifest.platform.variant) for manifest in manifests]
    asserts.equals(env, [("linux", "amd64", ""), ("linux", "arm64", "v8")], platforms)
    return analysistest.end(env)

index_platforms_test = analysistest.make(_index_platforms_impl)

def _manifest_platform_impl(ctx):
    env = analysistest.begin(ctx)
    info = analysistest.target_under_test(env)[ImageManifestInfo]
    asserts.equals(env, struct(architecture = ctx.attr.architecture, os = ctx.attr.os, variant = ctx.attr.variant), info.platform)
    asserts.equals(env, info.platform, struct(architecture = info.architecture, os = info.os, variant = info.variant))
    return analysistest.end(env)

manifest_platform_test = analysistest.make(
    _manifest_platform_impl,
    attrs = {name: attr.string() for name in ("architecture", "os", "variant")},
)

def _status_files_impl(ctx):
    env = analysistest.begin(ctx)
    [action] = _actions(env, "ImageManifest")
    read = sorted([file.basename for file in action.inputs.to_list() if file.basename.endswith("-status.txt")])
    asserts.equals(env, ["stable-status.txt", "volatile-status.txt"] if ctx.attr.reads else [], read)
    return analysistest.end(env)

status_files_test = analysistest.make(_status_files_impl, attrs = {"reads": attr.bool()})

def _settings_impl(ctx):
    env = analysistest.begin(ctx)
    [spec] = [
        json.decode(action.content)
        for action in analysistest.target_actions(env)
        if action.content and action.outputs.to_list()[0].basename.endswith(".deploy.json")
    ]
    for key, value in ctx.attr.values.items():
        asserts.equals(env, value, spec[key], key)
    return analysistest.end(env)

# What the settings of the command line make of a target that leaves it open.
settings_test = analysistest.make(
    _settings_impl,
    attrs = {"values": attr.string_dict()},
    config_settings = {
        str(Label("//rules/settings:destination_registry")): "registry.example.com",
        str(Label("//rules/settings:load_daemon")): "podman",
    },
)

def _index_inputs_impl(ctx):
    env = analysistest.begin(ctx)
    info = analysistest.target_under_test(env)[ImageIndexInfo]
    blobs = [layer.blob for manifest in info.manifests for layer in manifest.layers]
    [action] = _actions(env, "ImageIndex")
    asserts.equals(env, [], [file for file in action.inputs.to_list() if file in blobs], "the index action reads layers")
    return analysistest.end(env)

index_inputs_test = analysistest.make(_index_inputs_impl)

def _index_names_impl(ctx):
    env = analysistest.begin(ctx)
    manifests = analysistest.target_under_test(env)[ImageIndexInfo].manifests
    names = ["/".join([word for word in (manifest.platform.os, manifest.platform.architecture, manifest.platform.variant) if word]) for manifest in manifests]
    asserts.equals(env, ctx.attr.platforms, names)
    return analysistest.end(env)

index_names_test = analysistest.make(
    _index_names_impl,
    attrs = {"platforms": attr.string_list()},
)

def _archive_names_impl(ctx):
    env = analysistest.begin(ctx)
    [archive] = analysistest.target_under_test(env)[OutputGroupInfo].tarball.to_list()
    asserts.equals(env, "tar", archive.extension)
    [write] = _actions(env, "ImageLayout")
    asserts.equals(env, [archive], write.outputs.to_list())
    names = [word for word in write.argv if word.startswith("--name=")]
    asserts.equals(env, ["--name=" + name for name in ctx.attr.names], names)
    return analysistest.end(env)

archive_names_test = analysistest.make(_archive_names_impl, attrs = {"names": attr.string_list()})
