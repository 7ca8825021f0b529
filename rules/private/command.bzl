"""How the executables of rules start lading's commands: by one interpreter, and nothing before it.

The program that rules_python makes of a `py_binary` is Python (or a shell) itself, which looks for
runfiles and interpreter and starts the latter; that takes as long as many a command.
"""

load("@bazel_skylib//lib:shell.bzl", "shell")
load("@rules_python//python:defs.bzl", "PyInfo", "PyRuntimeInfo")
load(":paths.bzl", "runfiles_path")

# Importing makes objects that stay: looking for garbage among them takes a tenth of the start.
# Modules are looked for in the standard library first: there are more of them. Ctrl-C during imports
# is no traceback.
_START = """import sys
try:
    import gc
    gc.set_threshold(50000)
    sys.path += [sys.argv[1] + "/" + path for path in sys.argv[2].split(":")]
    from lading.commands import entry
    entry.start(sys.argv[3], sys.argv[4:])
except KeyboardInterrupt:
    sys.exit(130)"""

def command_line(tool, workspace_name):
    """The start of a shell command that runs `tool`; its arguments may follow.

    Neither the user's environment nor what is installed on the machine changes what it imports.

    Args:
        tool: Target, a py_binary of //tools/lading/commands.
        workspace_name: string, `ctx.workspace_name`.

    Returns:
        A string, in which the variable `runfiles` is the runfiles directory, and a depset of
        the files that it needs beside the runfiles of `tool`.
    """
    if _needs_venv(tool[PyInfo]):
        return _in_runfiles(runfiles_path(tool[DefaultInfo].files_to_run.executable, workspace_name)), depset()
    runtime = tool[PyRuntimeInfo]
    if runtime.interpreter:
        interpreter = _in_runfiles(runfiles_path(runtime.interpreter, workspace_name))
    else:
        interpreter = shell.quote(runtime.interpreter_path)
    module = (tool.label.package + "/" + tool.label.name).removeprefix("tools/").replace("/", ".")
    words = [interpreter, "-I", "-S", "-c", shell.quote(_START), '"$runfiles"']
    words += [shell.quote(":".join(tool[PyInfo].imports.to_list())), module]
    return " ".join(words), runtime.files or depset()

def _in_runfiles(path):
    return '"$runfiles"/' + shell.quote(path)

def _needs_venv(info):
    # https://rules-python.readthedocs.io: with `venvs_site_packages`, packages have no import
    # path of their own, and only the program that rules_python makes puts them in place.
    links = getattr(info, "venv_symlinks", None)
    return bool(links and links.to_list())
