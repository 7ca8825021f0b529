"""image_save: saves an image in the store of this machine."""

load("//rules:providers.bzl", "DeployInfo")
load(":deploy.bzl", "DEPLOY_ATTRS", "deploy_providers")
load(":host.bzl", "host_program")
load(":labels.bzl", "label_text")
load(":store_names.bzl", "check_image_name")

_DOC = """`bazel run` saves the image as an archive in the store, and enters it in the store's catalog.

The archive, `images/<project>/<name>.tar`, is one that docker, podman and skopeo read. No engine is
needed. Saving what is there already writes nothing. docs/naming.md has the grammar of names.
"""

_ATTRS = DEPLOY_ATTRS | {
    "docker_tag": attr.string(doc = "Name that the image is loaded under; by default its name with the tag `latest`."),
    "image_name": attr.string(doc = "`<project>-<os>-<version>-<variant>`; without it, give `--name` when running."),
    "packages": attr.string_list(doc = "Packages that are in it, for `store match`."),
    "platform": attr.string(doc = "Of an index, the image for `os/architecture`."),
    "tools": attr.string_list(doc = "Tools that are in it, for `store match`."),
    "_tool": host_program("//tools/lading/commands:save"),
}

def _impl(ctx):
    if ctx.attr.image_name:
        check_image_name(ctx.attr.image_name, what = "%s, image_name" % label_text(ctx.label))
    settings = {
        "docker_tag": ctx.attr.docker_tag,
        "name": ctx.attr.image_name,
        "packages": ctx.attr.packages,
        "platform": ctx.attr.platform,
        "tools": ctx.attr.tools,
    }
    return deploy_providers(ctx, ctx.attr._tool[0], "save", settings)

image_save = rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
    executable = True,
    provides = [DeployInfo],
)
