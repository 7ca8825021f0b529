"""Analysis tests of how lading's programs start."""

load("@bazel_skylib//lib:unittest.bzl", "analysistest", "asserts")
load("@bazel_skylib//rules:common_settings.bzl", "BuildSettingInfo")
load("@rules_python//python:py_info.bzl", "PyInfo")

def _written(env, name):
    [content] = [
        action.content
        for action in analysistest.target_actions(env)
        if action.mnemonic == "FileWrite" and action.outputs.to_list()[0].basename == name
    ]
    return content

def _imports_impl(ctx):
    env = analysistest.begin(ctx)
    name = analysistest.target_under_test(env).label.name
    [line] = [line for line in _written(env, name + ".main.py").splitlines() if "sys.path += " in line]
    for package in ctx.attr.packages:
        asserts.equals(env, 2, len(line.split("/%s/site-packages\"" % package)), package + " is imported from where it lies")
    asserts.false(env, "/tools\"" in line, "this repository's modules are imported from the compiled ones alone")
    return analysistest.end(env)

imports_test = analysistest.make(_imports_impl, attrs = {"packages": attr.string_list()})

def _files_impl(ctx):
    env = analysistest.begin(ctx)
    target = analysistest.target_under_test(env)
    name = target.label.name
    [action] = [action for action in analysistest.target_actions(env) if action.mnemonic == "PythonCompile"]
    asserts.equals(env, [name + ".lib", name + ".lib.sha256"], sorted([file.basename for file in action.outputs.to_list()]))
    compiled = [file.basename for file in action.inputs.to_list()]
    for file in ctx.attr.compiled:
        asserts.true(env, file in compiled, file + " is in the directory of modules")
    own = [file.basename for file in target[DefaultInfo].default_runfiles.files.to_list() if file.owner.repo_name == ""]
    expected = [name, name + ".lib", name + ".lib.sha256", name + ".main.py"] + ctx.attr.data
    asserts.equals(env, sorted(expected), sorted(own), "of this repository, compiled modules and data")
    return analysistest.end(env)

files_test = analysistest.make(
    _files_impl,
    attrs = {
        "compiled": attr.string_list(),
        "data": attr.string_list(),
    },
)

def _launcher_impl(ctx):
    env = analysistest.begin(ctx)
    [action] = [action for action in analysistest.target_actions(env) if action.substitutions]
    asserts.equals(env, ["launcher.sh.tpl"], [file.basename for file in action.inputs.to_list()])
    asserts.equals(env, "'%s'" % ctx.attr.main, action.substitutions["@MAIN@"])
    asserts.equals(env, ctx.attr.arguments, action.substitutions["@ARGUMENTS@"])
    names = [file.short_path for file in analysistest.target_under_test(env)[DefaultInfo].default_runfiles.files.to_list()]
    asserts.true(env, ctx.attr.main.removeprefix("_main/") in names, "what is started is among the runfiles")
    return analysistest.end(env)

launcher_test = analysistest.make(
    _launcher_impl,
    attrs = {
        "arguments": attr.string(),
        "main": attr.string(),
    },
)

def _host_impl(ctx):
    env = analysistest.begin(ctx)
    files = analysistest.target_under_test(env)[DefaultInfo].default_runfiles.files.to_list()
    [main] = [file for file in files if file.basename.endswith(".main.py")]
    asserts.false(env, "-exec" in main.path, main.path + " is for the platform that actions run on")
    return analysistest.end(env)

host_test = analysistest.make(
    _host_impl,
    config_settings = {"//command_line_option:platforms": str(Label("//rules/platforms:linux_arm64"))},
)

_VERSION_FLAG = "@rules_python//python/config_settings:python_version"

# Not read as the flag itself, which Debian's rules_python refuses to be of this version.
def _seen_impl(settings, _attr):
    return {"//tests/rules/starting:seen": settings[_VERSION_FLAG]}

_seen = transition(
    implementation = _seen_impl,
    inputs = [_VERSION_FLAG],
    outputs = ["//tests/rules/starting:seen"],
)

def _version_library_impl(ctx):
    version = ctx.attr._seen[BuildSettingInfo].value
    return PyInfo(imports = depset(["for_python_" + version]), transitive_sources = depset())

version_library = rule(
    implementation = _version_library_impl,
    attrs = {"_seen": attr.label(default = ":seen")},
    cfg = _seen,
    doc = "A library whose import path says which Python it is built for.",
)

def _version_impl(ctx):
    env = analysistest.begin(ctx)
    name = analysistest.target_under_test(env).label.name
    asserts.true(env, "\"for_python_3.13\"" in _written(env, name + ".main.py"), "libraries are for the Python of @pypi")
    return analysistest.end(env)

version_test = analysistest.make(
    _version_impl,
    config_settings = {str(Label(_VERSION_FLAG)): "3.11"},
)
