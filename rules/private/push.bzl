"""image_push: sends an image to a registry, or to the embedded default."""

load("//rules:providers.bzl", "DeployInfo", "ImageIndexInfo", "ImageManifestInfo")
load(":deploy.bzl", "DEPLOY_ATTRS", "deploy_providers")
load(":host.bzl", "host_program")
load(":labels.bzl", "label_text")
load(":names.bzl", "check_registry", "check_repository", "check_tag", "without_registry")

_DOC = """`bazel run` sends the image to a registry.

Without `registry` it goes to the embedded default: an OCI image layout directory below the store
(`$LADING_STORE`). Flags after `--` win over attributes: `bazel run //app:push -- --tag=v2`.
"""

# Attributes of rules_img whose default is all that there is here.
_ABSENT_ATTRS = {
    name: attr.string(default = "auto", values = ["auto", "disabled"], doc = "For projects that come from rules_img: there is no " + what)
    for name, what in {
        "forbid_layer_push": "need to forbid what the registry has anyway.",
        "push_at_build_time": "push by build actions.",
        "sign": "signing.",
    }.items()
}

# What `image_push_spec` has too.
PUSH_ATTRS = _ABSENT_ATTRS | {
    "content_tag": attr.bool(doc = "Whether to set the tag `sha256-<hex of the digest>` as well."),
    "cross_mount_from": attr.label(
        providers = [DeployInfo],
        doc = "An `image_push` target whose repository may have layers of the image, to be mounted from there.",
    ),
    "destination_file": attr.label(
        allow_single_file = True,
        doc = "File with one line, `registry/repository`, instead of these two attributes. It is no template.",
    ),
    "manifest_tags": attr.string_list(
        doc = """Tags of the single images of an index, as templates that also know `os`, `architecture` (`arch`, `cpu`)
and `variant`: `v1-{{.os}}-{{.arch}}`.""",
    ),
    "referrers": attr.label_list(
        providers = [[ImageManifestInfo], [ImageIndexInfo]],
        doc = "Images that have this one as `subject`, such as SBOMs. They go to the same repository, without a tag.",
    ),
    "registry": attr.string(doc = "Registry, `host` or `host:port`. Empty: that of `repository`, of the context, or the embedded default."),
    "repository": attr.string(doc = """Repository in the registry: `team/app`; without `registry` it may begin with one: `registry.example.com/team/app`.
Mandatory without `destination_file`."""),
    "tag": attr.string(doc = "Tag to set."),
    "tag_file": attr.label(allow_single_file = True, doc = "File with more tags, one a line."),
    "tag_list": attr.string_list(doc = "Tags to set."),
    "remote_tags": attr.string_list(doc = "The same as `tag_list`."),
}

_ATTRS = DEPLOY_ATTRS | PUSH_ATTRS | {
    "_tool": host_program("//tools/lading/commands:push"),
}

def push_settings(ctx):
    """The push's part of a deploy specification.

    Args:
        ctx: the context of a rule that has PUSH_ATTRS.

    Returns:
        dict of JSON values.
    """
    tags = ([ctx.attr.tag] if ctx.attr.tag else []) + ctx.attr.tag_list + ctx.attr.remote_tags
    if ctx.attr.destination_file:
        if ctx.attr.registry or ctx.attr.repository:
            fail("%s: `destination_file` says where the image goes, and so do `registry` and `repository`. Keep one." % label_text(ctx.label))
    else:
        if not ctx.attr.repository:
            fail("%s, repository: it is not set. Write repository = \"team/app\", or name a destination_file." % label_text(ctx.label))
        repository = ctx.attr.repository if ctx.attr.registry else without_registry(ctx.attr.repository)
        check_repository(repository, what = "%s, repository" % label_text(ctx.label))
        check_registry(ctx.attr.registry, what = "%s, registry" % label_text(ctx.label))
    for tag in tags:
        check_tag(tag, what = "%s, tag" % label_text(ctx.label))
    return {
        "content_tag": ctx.attr.content_tag,
        "manifest_tags": ctx.attr.manifest_tags,
        "mounts": _mounts(ctx),
        "registry": ctx.attr.registry,
        "repository": ctx.attr.repository,
        "tags": tags,
    }

def _mounts(ctx):
    if not ctx.attr.cross_mount_from:
        return []
    operations = ctx.attr.cross_mount_from[DeployInfo].operations
    pushes = [operation.settings for operation in operations if operation.kind == "push"]
    repositories = [push["repository"] if push["registry"] else without_registry(push["repository"]) for push in pushes]
    for repository in repositories:
        if not repository or "{{" in repository:
            fail("%s, cross_mount_from: %s does not name its repository before it runs." % (label_text(ctx.label), label_text(ctx.attr.cross_mount_from.label)))
    return repositories

def _impl(ctx):
    return deploy_providers(ctx, ctx.attr._tool[0], "push", push_settings(ctx))

image_push = rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
    executable = True,
    provides = [DeployInfo],
)
