"""image_push: sends an image to a registry, or to the embedded default."""

load("//rules:providers.bzl", "DeployInfo")
load(":deploy.bzl", "DEPLOY_ATTRS", "deploy_providers")
load(":names.bzl", "check_repository", "check_tag")

_DOC = """`bazel run` sends the image to a registry.

Without `registry` it goes to the embedded default: an OCI image layout directory below the store
(`$LADING_STORE`). Flags after `--` win over attributes: `bazel run //app:push -- --tag=v2`.
"""

# What `image_push_spec` has too.
PUSH_ATTRS = {
    "content_tag": attr.bool(doc = "Whether to set the tag `sha256-<hex of the digest>` as well."),
    "registry": attr.string(doc = "Registry, `host` or `host:port`. Empty: that of the context, or the embedded default."),
    "repository": attr.string(mandatory = True, doc = "Repository in the registry: `team/app`."),
    "tag": attr.string(doc = "Tag to set."),
    "tag_file": attr.label(allow_single_file = True, doc = "File with more tags, one a line."),
    "tag_list": attr.string_list(doc = "Tags to set."),
    "remote_tags": attr.string_list(doc = "The same as `tag_list`."),
}

_ATTRS = DEPLOY_ATTRS | PUSH_ATTRS | {
    "_tool": attr.label(default = "//tools/lading/commands:push", cfg = "exec", executable = True),
}

def push_settings(ctx):
    """The push's part of a deploy specification.

    Args:
        ctx: the context of a rule that has PUSH_ATTRS.

    Returns:
        dict of JSON values.
    """
    tags = ([ctx.attr.tag] if ctx.attr.tag else []) + ctx.attr.tag_list + ctx.attr.remote_tags
    check_repository(ctx.attr.repository, what = "%s, repository" % ctx.label)
    for tag in tags:
        check_tag(tag, what = "%s, tag" % ctx.label)
    return {
        "content_tag": ctx.attr.content_tag,
        "registry": ctx.attr.registry,
        "repository": ctx.attr.repository,
        "tags": tags,
    }

def _impl(ctx):
    return deploy_providers(ctx, ctx.attr._tool, "push", push_settings(ctx))

image_push = rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
    executable = True,
    provides = [DeployInfo],
)
