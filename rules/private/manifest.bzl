"""image_manifest: layers and a config as an image for one platform."""

load("//rules:providers.bzl", "ImageIndexInfo", "ImageManifestInfo", "LayerInfo")
load(":layouts.bzl", "LAYOUT_ATTRS", "layout_output_groups")
load(":platforms.bzl", "PLATFORM_ATTRS", "target_platform")
load(":worker.bzl", "EXECUTION_REQUIREMENTS", "action_args")

INHERIT_FROM_BASE = "__lading_inherit_from_base__"

_DOC = """An image for one platform: layers on an optional base, with a config.

The action reads metadata only, never a layer, so a remote cache moves no blob for it.
"""

_ATTRS = PLATFORM_ATTRS | LAYOUT_ATTRS | {
    "annotations": attr.string_dict(doc = "Annotations of the manifest."),
    "annotations_file": attr.label(allow_single_file = True, doc = "More annotations, `KEY=VALUE` lines."),
    "artifact_type": attr.string(doc = "The manifest's `artifactType`."),
    "base": attr.label(
        providers = [[ImageManifestInfo], [ImageIndexInfo]],
        doc = "Image to build on. Of an index, the manifest for the target platform is used.",
    ),
    "cmd": attr.string_list(default = [INHERIT_FROM_BASE], doc = "Default arguments; empty means none. Inherited unless `entrypoint` is set."),
    "config_fragment": attr.label(allow_single_file = [".json"], doc = "JSON merged into the config; maps are merged, not replaced."),
    "config_media_type": attr.string(doc = "Media type of the config; by default the OCI image config."),
    "created": attr.label(allow_single_file = True, doc = "File with the creation time, RFC 3339 or seconds since the epoch."),
    "created_timestamp": attr.string(doc = "The creation time, RFC 3339 or seconds since the epoch. Left out by default, so that it cannot change a digest."),
    "entrypoint": attr.string_list(default = [INHERIT_FROM_BASE], doc = "Program to run; empty means none."),
    "env": attr.string_dict(doc = "Environment; `$NAME` and `${NAME}` stand for the base's values."),
    "env_file": attr.label(allow_single_file = True, doc = "More environment, `KEY=VALUE` lines; `env` wins."),
    "exposed_ports": attr.string_list(doc = "Ports the program listens on: `8080/tcp`, `53/udp`."),
    "label_files": attr.label_list(allow_files = True, doc = "More labels, `KEY=VALUE` lines; `labels` win."),
    "labels": attr.string_dict(doc = "Labels of the config."),
    "layers": attr.label_list(providers = [LayerInfo], doc = "Layers on top of the base, lowest first."),
    "ports": attr.string_list(doc = "The same as `exposed_ports`."),
    "stop_signal": attr.string(default = INHERIT_FROM_BASE, doc = "Signal that asks the program to end, such as `SIGTERM`."),
    "subject": attr.label(providers = [[ImageManifestInfo], [ImageIndexInfo]], doc = "Image that this one refers to."),
    "user": attr.string(default = INHERIT_FROM_BASE, doc = "User, `name`, `uid` or `user:group`; empty means root."),
    "volumes": attr.string_list(doc = "Directories that hold data of their own."),
    "workdir": attr.string(default = INHERIT_FROM_BASE, doc = "The same as `working_dir`."),
    "working_dir": attr.string(default = INHERIT_FROM_BASE, doc = "Absolute directory that the program starts in."),
    "_tool": attr.label(default = "//tools/lading/actions:manifest", cfg = "exec", executable = True),
}

def _impl(ctx):
    platform = target_platform(ctx)
    base = _base_manifest(ctx, platform)
    name = ctx.label.name
    outputs = struct(
        manifest = ctx.actions.declare_file(name + ".manifest.json"),
        config = ctx.actions.declare_file(name + ".config.json"),
        descriptor = ctx.actions.declare_file(name + ".descriptor.json"),
        digest = ctx.actions.declare_file(name + ".digest"),
    )
    spec = ctx.actions.declare_file(name + ".spec.json")
    ctx.actions.write(spec, json.encode(_spec(ctx, platform)))

    layers = [layer[LayerInfo] for layer in ctx.attr.layers]
    args = action_args(ctx)
    inputs = [spec] + [layer.metadata for layer in layers]
    args.add(spec, format = "--spec=%s")
    args.add_all([layer.metadata for layer in layers], format_each = "--layer=%s")
    if base:
        args.add(base.manifest, format = "--base_manifest=%s")
        args.add(base.config, format = "--base_config=%s")
        inputs += [base.manifest, base.config]
    if ctx.attr.subject:
        subject = _descriptor(ctx.attr.subject)
        args.add(subject, format = "--subject=%s")
        inputs.append(subject)
    for flag, files in {
        "annotations_file": ctx.files.annotations_file,
        "config_fragment": ctx.files.config_fragment,
        "created_file": ctx.files.created,
        "env_file": ctx.files.env_file,
        "label_file": ctx.files.label_files,
    }.items():
        args.add_all(files, format_each = "--" + flag + "=%s")
        inputs += files
    args.add(outputs.manifest, format = "--manifest=%s")
    args.add(outputs.config, format = "--config=%s")
    args.add(outputs.descriptor, format = "--descriptor=%s")
    args.add(outputs.digest, format = "--digest=%s")
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        inputs = inputs,
        outputs = [outputs.manifest, outputs.config, outputs.descriptor, outputs.digest],
        mnemonic = "ImageManifest",
        progress_message = "Assembling image %{label}",
        execution_requirements = EXECUTION_REQUIREMENTS,
    )

    info = ImageManifestInfo(
        config = outputs.config,
        descriptor = outputs.descriptor,
        digest = outputs.digest,
        layers = (base.layers if base else []) + layers,
        manifest = outputs.manifest,
        platform = platform,
        sources = base.sources if base else [],
    )
    return [
        DefaultInfo(files = depset(
            [outputs.manifest, outputs.config, outputs.digest] + [layer.blob for layer in layers],
        )),
        info,
        OutputGroupInfo(
            config = depset([outputs.config]),
            descriptor = depset([outputs.descriptor]),
            digest = depset([outputs.digest]),
            manifest = depset([outputs.manifest]),
            **layout_output_groups(ctx, outputs.descriptor, [outputs.manifest, outputs.config], [info])
        ),
    ]

def _base_manifest(ctx, platform):
    if not ctx.attr.base:
        return None
    if ImageManifestInfo in ctx.attr.base:
        candidates = [ctx.attr.base[ImageManifestInfo]]
    else:
        candidates = ctx.attr.base[ImageIndexInfo].manifests
    for base in candidates:
        if (base.platform.os, base.platform.architecture) == (platform.os, platform.architecture):
            return base
    fail("%s, base: %s is for %s, but %s is built for %s/%s. Name a base for that platform, or build with --platforms." % (
        ctx.label,
        ctx.attr.base.label,
        ", ".join(["%s/%s" % (base.platform.os, base.platform.architecture) for base in candidates]),
        ctx.label,
        platform.os,
        platform.architecture,
    ))

def _descriptor(target):
    if ImageManifestInfo in target:
        return target[ImageManifestInfo].descriptor
    return target[ImageIndexInfo].descriptor

def _spec(ctx, platform):
    spec = {
        "annotations": ctx.attr.annotations,
        "artifact_type": ctx.attr.artifact_type,
        "config_media_type": ctx.attr.config_media_type,
        "created": ctx.attr.created_timestamp,
        "env": ctx.attr.env,
        "exposed_ports": _either(ctx, "exposed_ports", "ports", []),
        "labels": ctx.attr.labels,
        "volumes": ctx.attr.volumes,
    }
    spec = {key: value for key, value in spec.items() if value}
    spec["platform"] = {"architecture": platform.architecture, "os": platform.os, "variant": platform.variant}
    for key, value in {
        "cmd": ctx.attr.cmd,
        "entrypoint": ctx.attr.entrypoint,
        "stop_signal": ctx.attr.stop_signal,
        "user": ctx.attr.user,
        "working_dir": _either(ctx, "working_dir", "workdir", INHERIT_FROM_BASE),
    }.items():
        if value not in (INHERIT_FROM_BASE, [INHERIT_FROM_BASE]):
            spec[key] = value
    return spec

def _either(ctx, name, alias, unset):
    first, second = getattr(ctx.attr, name), getattr(ctx.attr, alias)
    if first != unset and second != unset and first != second:
        fail("%s: %r and %r are two names for one thing and differ. Keep %r." % (ctx.label, name, alias, name))
    return second if first == unset else first

image_manifest = rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
    provides = [ImageManifestInfo],
)
