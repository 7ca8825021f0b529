"""The extension `python` with the interface of current rules_python.

Debian has one Python, which the root's toolchain names: versions asked for are read and not
followed. What the repository builds has to work with every Python from 3.11 on anyway.
"""

def _impl(_module_ctx):
    pass

python = module_extension(
    implementation = _impl,
    tag_classes = {
        "defaults": tag_class(attrs = {
            "python_version": attr.string(),
            "python_version_env": attr.string(),
            "python_version_file": attr.label(),
        }),
        "toolchain": tag_class(attrs = {
            "configure_coverage_tool": attr.bool(),
            "ignore_root_user_error": attr.bool(),
            "is_default": attr.bool(),
            "python_version": attr.string(),
        }),
    },
)
