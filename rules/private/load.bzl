"""image_load: loads an image into a container engine."""

load("//rules:providers.bzl", "DeployInfo")
load(":deploy.bzl", "DEPLOY_ATTRS", "deploy_providers")
load(":names.bzl", "check_repository", "check_tag")

_DOC = """`bazel run` loads the image into a container engine on this machine.

Of an index, the image for the engine's own platform is loaded. Nothing is ever pulled.
"""

# What `image_load_spec` has too.
LOAD_ATTRS = {
    "daemon": attr.string(
        default = "docker",
        values = ["containerd", "docker", "podman"],
        doc = "The engine.",
    ),
    "registry": attr.string(doc = "Registry part of the loaded name; may be empty."),
    "repository": attr.string(mandatory = True, doc = "Repository part of the loaded name."),
    "tag": attr.string(doc = "Tag of the loaded image; `latest` when no tag is given at all."),
    "tag_file": attr.label(allow_single_file = True, doc = "File with more tags, one a line."),
    "tag_list": attr.string_list(doc = "More tags."),
}

_ATTRS = DEPLOY_ATTRS | LOAD_ATTRS | {
    "_tool": attr.label(default = "//tools/lading/commands:load", cfg = "exec", executable = True),
}

def load_settings(ctx):
    """The load's part of a deploy specification.

    Args:
        ctx: the context of a rule that has LOAD_ATTRS.

    Returns:
        dict of JSON values.
    """
    tags = ([ctx.attr.tag] if ctx.attr.tag else []) + ctx.attr.tag_list
    check_repository(ctx.attr.repository, what = "%s, repository" % ctx.label)
    for tag in tags:
        check_tag(tag, what = "%s, tag" % ctx.label)
    return {
        "daemon": ctx.attr.daemon,
        "registry": ctx.attr.registry,
        "repository": ctx.attr.repository,
        "tags": tags,
    }

def _impl(ctx):
    return deploy_providers(ctx, ctx.attr._tool, "load", load_settings(ctx))

image_load = rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
    executable = True,
    provides = [DeployInfo],
)
