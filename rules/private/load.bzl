"""image_load: loads an image into a container engine."""

load("//rules:providers.bzl", "DeployInfo")
load(":deploy.bzl", "DEPLOY_ATTRS", "deploy_providers")
load(":documents.bzl", "image_info")
load(":host.bzl", "host_program")
load(":labels.bzl", "label_text")
load(":layouts.bzl", "LAYOUT_ATTRS", "archive_of")
load(":names.bzl", "check_name", "check_registry", "check_repository", "check_tag")
load(":platforms.bzl", "PLATFORM_ATTRS", "platform_name", "target_platform")

_DOC = """`bazel run` loads the image into a container engine on this machine.

Of an index, the image for the engine's own platform is loaded. Nothing is ever pulled. With `-- --dry_run`
nothing is loaded, and the command says what would be.

The output group `tarball` is an archive for `docker load` and `podman load`, made only when asked for.
It has those names of the image that are known before the target runs: none that is a template, and
none of `tag_file`. That of an index has all of its images, as an OCI archive; a Docker that does not keep
images in containerd loads the one for the target platform.
"""

# What `image_load_spec` has too.
LOAD_ATTRS = {
    "daemon": attr.string(
        default = "auto",
        values = ["auto", "containerd", "docker", "podman"],
        doc = "The engine; `auto` is what `--@lading//rules/settings:load_daemon` says, Docker by default.",
    ),
    "registry": attr.string(doc = "Registry part of the loaded name; may be empty."),
    "repository": attr.string(
        doc = "Repository part of the loaded name. May be left out when the tags are whole names: `team/app:dev`.",
    ),
    "tag": attr.string(
        doc = "Tag of the loaded image, or a whole name; `latest` when no tag is given at all.",
    ),
    "tag_file": attr.label(allow_single_file = True, doc = "File with more tags, one a line."),
    "tag_list": attr.string_list(doc = "More tags."),
}

_ATTRS = DEPLOY_ATTRS | LAYOUT_ATTRS | LOAD_ATTRS | PLATFORM_ATTRS | {
    "_tool": host_program("//tools/lading/commands:load"),
}

def load_settings(ctx):
    """The load's part of a deploy specification.

    Args:
        ctx: the context of a rule that has LOAD_ATTRS.

    Returns:
        dict of JSON values.
    """
    tags = ([ctx.attr.tag] if ctx.attr.tag else []) + ctx.attr.tag_list
    if ctx.attr.repository:
        check_repository(ctx.attr.repository, what = "%s, repository" % label_text(ctx.label))
    elif ctx.attr.registry or not (tags or ctx.attr.tag_file):
        fail("%s, repository: the image has no name. Set repository = \"team/app\", or tag = \"team/app:dev\" alone." % label_text(ctx.label))
    check_registry(ctx.attr.registry, what = "%s, registry" % label_text(ctx.label))
    for tag in tags:
        if _is_whole(ctx, tag):
            check_name(tag, what = "%s, tag" % label_text(ctx.label))
        else:
            check_tag(tag, what = "%s, tag" % label_text(ctx.label))
    return {
        "daemon": ctx.attr.daemon,
        "registry": ctx.attr.registry,
        "repository": ctx.attr.repository,
        "tags": tags,
    }

def _is_whole(ctx, tag):
    """Whether `tag` is a whole name by itself, as tools/lading/commands/load.py sees it."""
    return not ctx.attr.repository or "/" in tag or ":" in tag

def _names(ctx, settings):
    prefix = "/".join([word for word in (ctx.attr.registry, ctx.attr.repository) if word])
    names = [
        tag if _is_whole(ctx, tag) else prefix + ":" + tag
        for tag in settings["tags"] or ([] if ctx.attr.tag_file else ["latest"])
    ]
    return [
        name if ":" in name.split("/")[-1] else name + ":latest"
        for name in names
        if "{" not in name
    ]

def _impl(ctx):
    settings = load_settings(ctx)
    platform = platform_name(target_platform(ctx))
    archive = archive_of(ctx, image_info(ctx.attr.image), _names(ctx, settings), platform)
    return deploy_providers(ctx, ctx.attr._tool[0], "load", settings) + [
        OutputGroupInfo(tarball = depset([archive])),
    ]

image_load = rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
    executable = True,
    provides = [DeployInfo],
)
