"""Stands for the extension of the module buildozer, which `bazel mod tidy` alone runs."""

def _repository_impl(rctx):
    rctx.file("BUILD.bazel", "")

_repository = repository_rule(implementation = _repository_impl)

def _impl(_module_ctx):
    _repository(name = "buildozer_binary")

buildozer_binary = module_extension(implementation = _impl)
