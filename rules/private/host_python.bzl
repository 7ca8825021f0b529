"""Running lading's own tools in repository rules, where no toolchain can be used."""

_NAMES = ["python3", "python3.14", "python3.13", "python3.12", "python3.11"]
_START = "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module(sys.argv.pop(1), run_name = '__main__')"
_VERSION = "import sys; sys.exit(sys.version_info < (3, 11))"
_TIMEOUT = 3600

def run_tool(rctx, module, arguments, *, environment = {}):
    """Runs one of lading's modules that need nothing but the standard library.

    Args:
        rctx: the repository rule's context.
        module: string, the module's dotted name.
        arguments: list of strings.
        environment: dict of variables to add.

    Returns:
        string, what it printed. A failure is the rule's failure.
    """
    tools = rctx.path(Label("//tools/lading:errors.py")).dirname.dirname
    result = rctx.execute(
        [_python(rctx), "-I", "-B", "-c", _START, str(tools), module] + arguments,
        environment = environment,
        quiet = True,
        timeout = _TIMEOUT,
    )
    if result.return_code != 0:
        fail(result.stderr.strip() or "%s ended with %d" % (module, result.return_code))
    return result.stdout

def _python(rctx):
    given = rctx.getenv("LADING_PYTHON")
    for name in [given] if given else _NAMES:
        path = name if "/" in name else rctx.which(name)
        if path and rctx.execute([path, "-I", "-c", _VERSION]).return_code == 0:
            return path
    fail("%s is no Python of version 3.11 or newer\n  install one, or set LADING_PYTHON to its path" % (given or "python3"))
