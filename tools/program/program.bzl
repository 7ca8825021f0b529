"""A Python program that starts fast: one interpreter, no `site`, modules compiled by the build.

The launcher of `py_binary` is a Python program that starts a second interpreter, for which Python
compiles every module anew wherever it cannot keep the result: in a sandbox, remotely.
"""

load("@bazel_skylib//lib:shell.bzl", "shell")
load("@rules_python//python:py_info.bzl", "PyInfo")
load(":runfiles.bzl", "runfiles_path")

PythonProgramInfo = provider(
    doc = "How a launcher starts a program.",
    fields = {
        "interpreter": "string, word of a shell in which the variable `runfiles` is the runfiles directory",
        "main": "File that the interpreter runs",
    },
)

_TOOLCHAIN = "@rules_python//python:toolchain_type"

# The version that `@pypi` has packages for, see MODULE.bazel: whatever version a workspace has by default, and
# whichever its own programs ask for.
_VERSION = "3.13"
_VERSION_FLAG = "@rules_python//python/config_settings:python_version"

def _with_version_impl(_settings, _attr):
    return {_VERSION_FLAG: _VERSION}

_with_version = transition(
    implementation = _with_version_impl,
    inputs = [],
    outputs = [_VERSION_FLAG],
)

# A program is compiled whenever it runs, so this one is short. It does what `runpy` does, without what that imports.
# Importing makes objects that stay: looking for garbage among them takes a tenth of the start. Modules are looked for in the standard library first: there are
# more of them. For a worker with multiplex sandboxing, Bazel leaves directories out of what it links into the
# worker's own: there a link leads to where ours is.
_MAIN = """\
import gc
import sys
from _frozen_importlib_external import PathFinder
from posix import readlink, stat


def find():
    gc.set_threshold(50000)
    root = __file__.removesuffix({main})
    own = root + {own}
    try:
        stat(own)
    except FileNotFoundError:
        own = readlink(__file__).removesuffix(".main.py") + ".lib"
    sys.path += [own] + [root + path for path in {paths}]
    package = __import__({package}, fromlist=[""])
    return PathFinder.find_spec({module}, package.__path__)


try:
    __spec__ = find()
    __package__ = __spec__.parent
    __file__ = sys.argv[0] = __spec__.origin
    exec(__spec__.loader.get_code(__spec__.name))
except KeyboardInterrupt:
    sys.exit(130)
"""

def _impl(ctx):
    runtime = ctx.toolchains[_TOOLCHAIN].py3_runtime
    sources = depset(transitive = [dep[PyInfo].transitive_sources for dep in ctx.attr.deps])
    imports = depset(transitive = [dep[PyInfo].imports for dep in ctx.attr.deps])
    runfiles = depset(transitive = [dep[DefaultInfo].default_runfiles.files for dep in ctx.attr.deps])
    repository = ctx.label.repo_name
    compiled = ctx.actions.declare_directory(ctx.label.name + ".lib")

    # Bazel restarts a worker when one of its files changes, and does not look into directories.
    digest = ctx.actions.declare_file(ctx.label.name + ".lib.sha256")

    # What is not ours is imported from where it lies: shared objects have to be beside their package.
    roots, paths = [], {}
    for path in imports.to_list():
        if path.partition("/")[0] == (repository or ctx.workspace_name):
            roots.append(path + "/")
        else:
            paths[path] = None
    roots = sorted(roots, key = lambda root: -len(root))
    own, others = {}, []
    for file in depset(transitive = [sources, runfiles]).to_list():
        path = runfiles_path(file, ctx.workspace_name)
        for root in roots if file.owner.repo_name == repository else []:
            if path.startswith(root):
                own[file] = path.removeprefix(root)
                break
        if file not in own:
            others.append(file)

            # With `venvs_site_packages`, rules_python gives packages no import path of their own.
            head, is_package, _ = path.partition("/site-packages/")
            if is_package:
                paths[head + "/site-packages"] = None
    _compile(ctx, own, compiled, digest)

    # NAME.py may be a source, and both among the runfiles of a test.
    main = ctx.actions.declare_file(ctx.label.name + ".main.py")
    ctx.actions.write(main, _MAIN.format(
        main = repr(runfiles_path(main, ctx.workspace_name)),
        module = repr(ctx.attr.module),
        package = repr(ctx.attr.module.rpartition(".")[0]),
        own = repr(runfiles_path(compiled, ctx.workspace_name)),
        paths = repr(paths.keys()),
    ))
    interpreter = shell.quote(runtime.interpreter_path or "")
    if runtime.interpreter:
        interpreter = in_runfiles(ctx, runtime.interpreter)
    program = PythonProgramInfo(interpreter = interpreter, main = main)
    return [
        DefaultInfo(
            executable = declare_launcher(ctx, ctx.file._launcher, program),
            runfiles = ctx.runfiles(
                files = [compiled, digest, main] + others + ctx.files.data,
                transitive_files = _runtime_files(runtime),
            ).merge_all([target[DefaultInfo].default_runfiles for target in ctx.attr.data]),
        ),
        program,
    ]

def _compile(ctx, files, output, digest):
    """Declares a directory of files at their paths in it, modules with what Python would keep of them; its digest."""

    # Should the program's own be of another version, for example for another platform, it ignores that.
    runtime = ctx.attr._compiler_runtime[platform_common.ToolchainInfo].py3_runtime
    args = ctx.actions.args()
    args.set_param_file_format("multiline")
    args.use_param_file("@%s", use_always = True)
    args.add(output.path)
    args.add(digest)
    for file, path in files.items():
        args.add(file)
        args.add(path)
    ctx.actions.run(
        executable = runtime.interpreter or runtime.interpreter_path,
        arguments = ["-S", "-s", "-B", ctx.file._compiler.path, args],
        env = {"PYTHONHASHSEED": "0"},
        inputs = depset(files.keys() + [ctx.file._compiler], transitive = [_runtime_files(runtime)]),
        outputs = [output, digest],
        mnemonic = "PythonCompile",
        progress_message = "Compiling %{label}",
    )

def _runtime_files(runtime):
    return depset([runtime.interpreter], transitive = [runtime.files]) if runtime.interpreter else depset()

def declare_launcher(ctx, template, program, arguments = []):
    """Declares the executable of a target that starts a program, with its runfiles among its own.

    Args:
        ctx: the rule's context.
        template: File, `//tools/program:launcher.sh.tpl`.
        program: PythonProgramInfo.
        arguments: list of strings, words of a shell that precede the user's arguments.

    Returns:
        File.
    """
    executable = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.expand_template(
        template = template,
        output = executable,
        is_executable = True,
        substitutions = {
            "@ARGUMENTS@": " ".join(arguments + ['"$@"']),
            "@INTERPRETER@": program.interpreter,
            "@MAIN@": shell.quote(runfiles_path(program.main, ctx.workspace_name)),
        },
    )
    return executable

def in_runfiles(ctx, file):
    """A word of a shell that is the path of `file`; its variable `runfiles` is the runfiles directory."""
    return '"$runfiles"/' + shell.quote(runfiles_path(file, ctx.workspace_name))

python_program = rule(
    implementation = _impl,
    attrs = {
        "data": attr.label_list(allow_files = True, doc = "What the program reads, for `$(rootpath)` in `args`."),
        "deps": attr.label_list(mandatory = True, providers = [PyInfo], doc = "`py_library` targets of the module and all it imports."),
        "module": attr.string(mandatory = True, doc = "Dotted name of the module, in a package, that is run as `__main__`."),
        "_compiler": attr.label(default = ":compile_modules.py", allow_single_file = True),
        "_compiler_runtime": attr.label(default = "@rules_python//python:current_py_toolchain", cfg = "exec"),
        "_launcher": attr.label(default = ":launcher.sh.tpl", allow_single_file = True),
    },
    cfg = _with_version,
    doc = "A program of lading's own, run in actions as often as somebody builds, or by `bazel run`.",
    executable = True,
    provides = [PythonProgramInfo],
    toolchains = [_TOOLCHAIN],
)
