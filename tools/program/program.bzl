"""A Python program that starts fast: one interpreter, no `site`, modules compiled by the build.

The launcher of `py_binary` is a Python program that starts a second interpreter, for which Python
compiles every module anew wherever it cannot keep the result: in a sandbox, remotely.
"""

load("@rules_python//python:py_info.bzl", "PyInfo")

_TOOLCHAIN = "@rules_python//python:toolchain_type"

# Sources of this repository are imported by their path below here.
_ROOT = "tools/"

# A program is compiled whenever it runs, so this one is short. For a worker with multiplex sandboxing, Bazel
# leaves directories out of what it links into the worker's own: there a link leads to where ours is.
_MAIN = """\
import sys
from posix import readlink, stat

root = __file__.removesuffix({main})
own = root + {own}
try:
    stat(own)
except FileNotFoundError:
    own = readlink(__file__).removesuffix(".py") + ".lib"
sys.path += [own] + [root + path for path in {paths}]

from runpy import run_module

run_module({module}, run_name="__main__", alter_sys=True)
"""

def _impl(ctx):
    runtime = ctx.toolchains[_TOOLCHAIN].py3_runtime
    info = ctx.attr.library[PyInfo]
    repository = ctx.label.workspace_name
    compiled = ctx.actions.declare_directory(ctx.label.name + ".lib")

    # Bazel restarts a worker when one of its files changes, and does not look into directories.
    digest = ctx.actions.declare_file(ctx.label.name + ".lib.sha256")
    own = [file for file in info.transitive_sources.to_list() if file.owner.workspace_name == repository]
    _compile(ctx, own, compiled, digest)

    # What is not ours is imported from where it lies: shared objects have to be beside their package.
    runfiles = ctx.attr.library[DefaultInfo].default_runfiles.files.to_list()
    others = [
        file
        for file in depset(runfiles, transitive = [info.transitive_sources]).to_list()
        if file.owner.workspace_name != repository
    ]
    paths = {}
    for path in info.imports.to_list():
        if path.partition("/")[0] != (repository or ctx.workspace_name):
            paths[path] = None
    for file in others:
        # With `venvs_site_packages`, rules_python gives packages no import path of their own.
        head, is_package, _ = _runfiles_path(ctx, file).partition("/site-packages/")
        if is_package:
            paths[head + "/site-packages"] = None

    main = ctx.actions.declare_file(ctx.label.name + ".py")
    main_path = _runfiles_path(ctx, main)
    ctx.actions.write(main, _MAIN.format(
        main = repr(main_path),
        module = repr(ctx.attr.module),
        own = repr(_runfiles_path(ctx, compiled)),
        paths = repr(paths.keys()),
    ))
    interpreter = runtime.interpreter_path
    if runtime.interpreter:
        interpreter = "$runfiles/" + _runfiles_path(ctx, runtime.interpreter)
    executable = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.expand_template(
        template = ctx.file._launcher,
        output = executable,
        is_executable = True,
        substitutions = {"%{interpreter}": interpreter, "%{main}": main_path},
    )
    return DefaultInfo(
        executable = executable,
        runfiles = ctx.runfiles(
            files = [compiled, digest, main] + others,
            transitive_files = _runtime_files(runtime),
        ),
    )

def _compile(ctx, sources, output, digest):
    """Declares a directory of `sources` and what Python would keep of them in `__pycache__`; its digest."""

    # Should the program's own be of another version, for example for another platform, it ignores that.
    runtime = ctx.attr._compiler_runtime[platform_common.ToolchainInfo].py3_runtime
    args = ctx.actions.args()
    args.set_param_file_format("multiline")
    args.use_param_file("@%s", use_always = True)
    args.add(output.path)
    args.add(digest)
    for file in sources:
        path = file.short_path.split("/", 2)[2] if file.short_path.startswith("../") else file.short_path
        if path.startswith(_ROOT):
            args.add(file)
            args.add(path.removeprefix(_ROOT))
    ctx.actions.run(
        executable = runtime.interpreter or runtime.interpreter_path,
        arguments = ["-S", "-s", "-B", ctx.file._compiler.path, args],
        env = {"PYTHONHASHSEED": "0"},
        inputs = depset(sources + [ctx.file._compiler], transitive = [_runtime_files(runtime)]),
        outputs = [output, digest],
        mnemonic = "PythonCompile",
        progress_message = "Compiling %{label}",
    )

def _runfiles_path(ctx, file):
    path = file.short_path
    return path[3:] if path.startswith("../") else ctx.workspace_name + "/" + path

def _runtime_files(runtime):
    return depset([runtime.interpreter], transitive = [runtime.files]) if runtime.interpreter else depset()

python_program = rule(
    implementation = _impl,
    attrs = {
        "library": attr.label(mandatory = True, providers = [PyInfo], doc = "`py_library` of the module and all it imports."),
        "module": attr.string(mandatory = True, doc = "Dotted name of the module that is run as `__main__`."),
        "_compiler": attr.label(default = ":compile_modules.py", allow_single_file = True),
        "_compiler_runtime": attr.label(default = "@rules_python//python:current_py_toolchain", cfg = "exec"),
        "_launcher": attr.label(default = ":launcher.sh.tpl", allow_single_file = True),
    },
    doc = "A program of lading's own, run in actions as often as somebody builds.",
    executable = True,
    toolchains = [_TOOLCHAIN],
)
