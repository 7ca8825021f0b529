"""image_run_layer: what a command changes in an image, as a layer."""

load("@bazel_skylib//rules:common_settings.bzl", "BuildSettingInfo")
load("//rules:providers.bzl", "ImageIndexInfo", "ImageManifestInfo", "LayerInfo", "LayersInfo")
load(":builder.bzl", "BUILDER_ATTRS", "add_base", "add_builder_flags", "builder_requirements", "only_file")
load(":compression.bzl", "EXTENSION", "MEDIA_TYPE")
load(":labels.bzl", "label_text")
load(":layer_providers.bzl", "layer_providers")
load(":platforms.bzl", "PLATFORM_ATTRS", "platform_name", "target_platform")
load(":worker.bzl", "action_args")

_DOC = """What a command changes in an image, as one layer. NOT HERMETIC: a builder of this machine runs it.

    image_run_layer(
        name = "installed",
        base = ":base",
        command = ["/usr/bin/dpkg", "--install", "/inputs/tool.deb"],
        inputs = {"tool.deb": "@tool//file"},
    )

    image(
        name = "image",
        base = ":base",
        layers = [":installed"],
    )

The command sees the base's files and, read-only at `/inputs`, its inputs; no network, unless `network` gives it one.
The layer holds what it wrote, changed and deleted, sorted and dated at the epoch, without what the builder itself puts
there (`/proc`, `/sys`, `/dev`, `/etc/resolv.conf`, `/etc/hosts`, `/etc/hostname`). It is the same every time if the
command does the same every time: no clock, no random numbers, no order of a directory in what it writes.

Use it for what only a program in the image can do. What unpacks or copies is `image_layer`.
"""

_ATTRS = PLATFORM_ATTRS | BUILDER_ATTRS | {
    "base": attr.label(
        mandatory = True,
        providers = [[ImageManifestInfo], [ImageIndexInfo]],
        doc = "Image that the command runs in, and that the layer belongs on.",
    ),
    "command": attr.string_list(mandatory = True, doc = "The program by its path in the image, and its arguments. No shell is involved."),
    "env": attr.string_dict(doc = "Environment, besides that of the base."),
    "inputs": attr.string_keyed_label_dict(
        allow_files = True,
        doc = "Path below `/inputs` to a target with one file or directory, or to a program, which comes without its runfiles.",
    ),
    "user": attr.string(default = "0:0", doc = "User that runs it, `name` or `uid[:gid]`."),
    "working_dir": attr.string(default = "/", doc = "Absolute directory that it starts in."),
    "_tool": attr.label(default = "//tools/lading/actions:run_layer_program", cfg = "exec", executable = True),
}

def _impl(ctx):
    if not ctx.attr.command or not ctx.attr.command[0].startswith("/"):
        fail("%s, command: name the program by its absolute path in the image." % label_text(ctx.label))
    for word in ctx.attr.command + ctx.attr.env.keys() + ctx.attr.env.values() + [ctx.attr.working_dir, ctx.attr.user]:
        if "\n" in word:
            fail("%s: %r has a line break. Put the text into a file among the inputs." % (label_text(ctx.label), word))
    compression = ctx.attr._compress[BuildSettingInfo].value
    blob = ctx.actions.declare_file(ctx.label.name + EXTENSION[compression])
    metadata = ctx.actions.declare_file(ctx.label.name + ".metadata.json")

    args = action_args(ctx)
    args.add("--label=" + label_text(ctx.label))
    args.add("--platform=" + platform_name(target_platform(ctx)))
    add_builder_flags(ctx, args)
    base = add_base(args, "base", ctx.attr.base)
    args.add_all(ctx.attr.command, format_each = "--word=%s")
    for key, value in ctx.attr.env.items():
        args.add("--env=%s=%s" % (key, value))
    files = []
    for path, target in ctx.attr.inputs.items():
        file = only_file(target, "%s, inputs[%r]" % (label_text(ctx.label), path))
        args.add("--file=%s\t%s" % (path, file.path))
        files.append(file)
    args.add(ctx.attr.user, format = "--user=%s")
    args.add(ctx.attr.working_dir, format = "--working_dir=%s")
    args.add(blob, format = "--output=%s")
    args.add(metadata, format = "--metadata=%s")
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        inputs = files + [base],
        outputs = [blob, metadata],
        mnemonic = "ImageRunLayer",
        progress_message = "Running a command for %{label}, with a builder of this machine (not hermetic)",
        use_default_shell_env = True,
        execution_requirements = builder_requirements(ctx.attr.network, False),
    )
    info = LayerInfo(blob = blob, media_type = MEDIA_TYPE[compression], metadata = metadata)
    return layer_providers(info)

image_run_layer = rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
    provides = [LayerInfo, LayersInfo],
)
