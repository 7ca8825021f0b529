"""Analysis tests of programs in images."""

load("@bazel_skylib//lib:unittest.bzl", "analysistest", "asserts")
load("//rules:providers.bzl", "LayerPlanInfo", "LayersInfo", "ProgramInfo")

def _program_impl(ctx):
    env = analysistest.begin(ctx)
    target = analysistest.target_under_test(env)
    program = target[ProgramInfo]
    asserts.equals(env, ctx.attr.entrypoint, program.entrypoint)
    asserts.equals(env, ctx.attr.cmd, program.cmd)
    asserts.equals(env, ctx.attr.env, program.env)
    asserts.equals(env, ctx.attr.working_dir, program.working_dir)
    asserts.equals(env, ctx.attr.layers, [layer.blob.basename for layer in target[LayersInfo].layers])
    actions = [action for action in analysistest.target_actions(env) if action.mnemonic == "LayerTar"]
    asserts.equals(env, len(ctx.attr.layers), len(actions), "one action a layer")

    # A change of the program's own code must not rebuild what it depends on.
    for action in actions:
        if not [file for file in action.outputs.to_list() if ".own." in file.basename]:
            own = [file.short_path for file in action.inputs.to_list() if file.short_path.startswith("tests/rules/")]
            asserts.equals(env, [], [path for path in own if not path.endswith(".params")])
    return analysistest.end(env)

program_test = analysistest.make(
    _program_impl,
    attrs = {
        "cmd": attr.string_list(),
        "entrypoint": attr.string_list(),
        "env": attr.string_dict(),
        "layers": attr.string_list(),
        "working_dir": attr.string(),
    },
)

def _plan_impl(ctx):
    env = analysistest.begin(ctx)
    layers = analysistest.target_under_test(env)[LayersInfo].layers
    others = ctx.attr.other[LayersInfo].layers
    shared = [layer.blob for layer in layers if layer.blob in [other.blob for other in others]]
    asserts.true(env, len(shared) >= 1, "programs with a dependency in common share a layer")
    asserts.equals(env, shared, [layer.blob for layer in layers][:len(shared)], "shared layers are lowest")
    asserts.equals(env, len(shared) + 1, len(layers), "and nothing but the own code is on top")
    return analysistest.end(env)

plan_test = analysistest.make(
    _plan_impl,
    attrs = {"other": attr.label(providers = [LayersInfo])},
)

def _plan_layers_impl(ctx):
    env = analysistest.begin(ctx)
    plan = analysistest.target_under_test(env)[LayerPlanInfo]
    for label, layers in plan.layers.items():
        asserts.true(env, len(layers) <= ctx.attr.most, "%s has %d shared layers" % (label, len(layers)))
    seen = {}
    for action in analysistest.target_actions(env):
        if action.mnemonic == "LayerTar":
            for file in action.inputs.to_list():
                if file in plan.files:
                    asserts.false(env, file in seen, "%s is in two layers" % file.short_path)
                    seen[file] = None
    asserts.equals(env, len(plan.files), len(seen), "every shared file is in a layer")
    asserts.true(env, len(seen) > 0, "something is shared")
    return analysistest.end(env)

plan_layers_test = analysistest.make(
    _plan_layers_impl,
    attrs = {"most": attr.int()},
)

def _plan_files_impl(ctx):
    env = analysistest.begin(ctx)
    paths = [file.short_path for file in analysistest.target_under_test(env)[LayerPlanInfo].files]
    asserts.true(env, len(paths) > 0, "something is shared")
    if ctx.attr.present:
        asserts.true(env, ctx.attr.present in paths, ctx.attr.present + " is in a shared layer")
    if ctx.attr.absent:
        asserts.false(env, ctx.attr.absent in paths, ctx.attr.absent + " is in a shared layer")
    return analysistest.end(env)

plan_files_test = analysistest.make(
    _plan_files_impl,
    attrs = {
        "absent": attr.string(),
        "present": attr.string(),
    },
)

def _plan_groups_impl(ctx):
    env = analysistest.begin(ctx)
    holding = []
    for action in analysistest.target_actions(env):
        if action.mnemonic == "LayerTar":
            inputs = [file.short_path for file in action.inputs.to_list()]
            found = [path for path in ctx.attr.files if path in inputs]
            if found:
                holding.append(found)
    asserts.equals(env, [ctx.attr.files], holding, "all files of the group are in one layer")
    return analysistest.end(env)

plan_groups_test = analysistest.make(
    _plan_groups_impl,
    attrs = {"files": attr.string_list()},
)
