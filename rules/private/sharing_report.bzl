"""sharing_report: what images have in common, in bytes."""

load("//rules:providers.bzl", "ImageIndexInfo", "ImageManifestInfo")
load(":labels.bzl", "label_text")
load(":worker.bzl", "EXECUTION_REQUIREMENTS", "action_args")

_DOC = """A report of the layers that images share, and of the bytes that saves.

`NAME.txt` is for people, `NAME.json` for programs. Only manifests are read, so no layer is fetched.
"""

_ATTRS = {
    "images": attr.label_list(
        mandatory = True,
        providers = [[ImageManifestInfo], [ImageIndexInfo]],
        doc = "The images, such as all of a repository.",
    ),
    "_tool": attr.label(default = "//tools/lading/actions:sharing_report_program", cfg = "exec", executable = True),
}

def _impl(ctx):
    text = ctx.actions.declare_file(ctx.label.name + ".txt")
    data = ctx.actions.declare_file(ctx.label.name + ".json")
    args = action_args(ctx)
    args.add(text, format = "--text=%s")
    args.add(data, format = "--json=%s")
    inputs = []
    for target in ctx.attr.images:
        infos = [target[ImageManifestInfo]] if ImageManifestInfo in target else target[ImageIndexInfo].manifests
        for info in infos:
            name = label_text(target.label)
            if len(infos) > 1:
                name += " (%s/%s)" % (info.platform.os, info.platform.architecture)
            args.add("--image=%s\t%s" % (name, info.manifest.path))
            inputs.append(info.manifest)
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        inputs = inputs,
        outputs = [text, data],
        mnemonic = "SharingReport",
        progress_message = "Comparing the layers of images %{label}",
        execution_requirements = EXECUTION_REQUIREMENTS,
    )
    return [DefaultInfo(files = depset([text, data]))]

sharing_report = rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
)
