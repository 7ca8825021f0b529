"""image_manifest: layers and a config as an image for one platform."""

load("@bazel_skylib//rules:common_settings.bzl", "BuildSettingInfo")
load("//rules:providers.bzl", "ImageIndexInfo", "ImageManifestInfo", "ProgramInfo")
load(":checks.bzl", "check_directories", "check_env", "check_keys", "check_ports", "check_signal", "check_user")
load(":documents.bzl", "declare_documents", "image_info", "manifest_output_groups")
load(":labels.bzl", "label_text")
load(":layer_providers.bzl", "layer_file")
load(":layouts.bzl", "LAYOUT_ATTRS")
load(":platforms.bzl", "PLATFORM_ATTRS", "platform_fields", "platform_name", "target_platform")
load(":soci.bzl", "soci_index")
load(":spec.bzl", "SPEC_ATTRS", "spec_providers")
load(":stamping.bzl", "STAMP_ATTRS", "build_setting_values", "stamps", "status_files")
load(":tar_layers.bzl", "TAR_LAYER_ATTRS", "layers_of")
load(":worker.bzl", "EXECUTION_REQUIREMENTS", "action_args")

INHERIT_FROM_BASE = "__lading_inherit_from_base__"

_DOC = """An image for one platform: layers on an optional base, with a config.

The action reads metadata only, never a layer, so a remote cache moves no blob for it.

Values of `annotations`, `created_timestamp`, `env` and `labels`, in attributes and files, may be
templates: `{{.NAME}}` is a build setting or, when stamping, a key of the workspace status;
`{{.base.config.os}}` a field of the base; `{{$PATH}}` a variable of the base's environment.

Output groups: `config`, `descriptor`, `digest`, `manifest` (also `root_blob`), `soci` (the SOCI index's
manifest, if there is one), and made only when asked for, `docker_archive`, `oci_layout`, `oci_tarball`.
"""

def _platform_transition_impl(_settings, attr):
    # An empty dict leaves the configuration alone.
    return {"//command_line_option:platforms": str(attr.platform)} if attr.platform else {}

_to_platform = transition(
    implementation = _platform_transition_impl,
    inputs = [],
    outputs = ["//command_line_option:platforms"],
)

_ATTRS = PLATFORM_ATTRS | LAYOUT_ATTRS | SPEC_ATTRS | STAMP_ATTRS | TAR_LAYER_ATTRS | {
    "annotations": attr.string_dict(doc = "Annotations of the manifest."),
    "annotations_file": attr.label(allow_single_file = True, doc = "More annotations, `KEY=VALUE` lines or JSON; they win over `annotations`."),
    "artifact_type": attr.string(doc = "The manifest's `artifactType`, for what is no image: `application/spdx+json`."),
    "base": attr.label(
        providers = [[ImageManifestInfo], [ImageIndexInfo]],
        doc = "Image to build on. Of an index, the manifest for the target platform is used.",
    ),
    "cmd": attr.string_list(default = [INHERIT_FROM_BASE], doc = "Default arguments; empty means none. Inherited unless `entrypoint` is set. `INHERIT_FROM_BASE` among them stands for the base's."),
    "config_fragment": attr.label(allow_single_file = True, doc = "JSON merged into the config; maps are merged, not replaced."),
    "config_media_type": attr.string(doc = """Media type of the config; by default the OCI image config. With any
other type, `config_fragment` is the config as it is; `application/vnd.oci.empty.v1+json` needs none."""),
    "created": attr.label(allow_single_file = True, doc = "File with the creation time, RFC 3339 or seconds since the epoch."),
    "created_timestamp": attr.string(doc = """The creation time, RFC 3339 or seconds since the epoch, or a template of one. By default
that of the base, so that it cannot change a digest."""),
    "entrypoint": attr.string_list(default = [INHERIT_FROM_BASE], doc = "Program to run; empty means none. `INHERIT_FROM_BASE` among its words stands for the base's."),
    "env": attr.string_dict(doc = "Environment; `$NAME` and `${NAME}` stand for the base's values."),
    "env_file": attr.label(allow_single_file = True, doc = "More environment, `KEY=VALUE` lines or JSON; `env` wins over it."),
    "exposed_ports": attr.string_list(doc = "Ports the program listens on: `8080/tcp`, `53/udp`."),
    "label_files": attr.label_list(allow_files = True, doc = "More labels, `KEY=VALUE` lines or JSON; they win over `labels`, a later file over an earlier."),
    "labels": attr.string_dict(doc = "Labels of the config."),
    "layers": attr.label_list(
        allow_files = True,
        doc = """Layers on top of the base, lowest first: `image_layer` and the like, or tar archives, which are taken byte for
byte as they are (`.tar`, `.tar.gz`, `.tgz`, `.tar.zst`).""",
    ),
    "platform": attr.label(
        providers = [platform_common.PlatformInfo],
        doc = "Platform to build for, whatever the command line says.",
    ),
    "program": attr.label(
        providers = [ProgramInfo],
        doc = """A program to start: its `entrypoint`, `cmd`, `env` and `working_dir` where they are not set here. Without it the
last `layer_from_binary` among the layers counts; the environment is that of all of them.""",
    ),
    "ports": attr.string_list(doc = "The same as `exposed_ports`."),
    "soci": attr.string(
        default = "auto",
        values = ["auto", "disabled", "enabled"],
        doc = """Whether the image has a SOCI index, which is pushed with it. `auto` gives it one if any of its layers,
its base's included, has a zTOC (`soci` of `image_layer`); `enabled` fails if none has.""",
    ),
    "stamp_created": attr.string(
        default = "auto",
        values = ["auto", "disabled", "enabled"],
        doc = """Whether the creation time is that of the build, when stamping; `auto` is the flag
`--@lading//rules/settings:stamp_created`, which is `disabled` and counts where no other creation time is set.""",
    ),
    "stop_signal": attr.string(default = INHERIT_FROM_BASE, doc = "Signal that asks the program to end, such as `SIGTERM`."),
    "subject": attr.label(providers = [[ImageManifestInfo], [ImageIndexInfo]], doc = "Image that this one refers to."),
    "user": attr.string(default = INHERIT_FROM_BASE, doc = "User, `name`, `uid` or `user:group`; empty means root."),
    "volumes": attr.string_list(doc = "Directories that hold data of their own."),
    "workdir": attr.string(default = INHERIT_FROM_BASE, doc = "The same as `working_dir`."),
    "working_dir": attr.string(default = INHERIT_FROM_BASE, doc = "Absolute directory that the program starts in."),
    "_stamp_created": attr.label(default = "//rules/settings:stamp_created"),
    "_tool": attr.label(default = "//tools/lading/actions:manifest_program", cfg = "exec", executable = True),
}

def _impl(ctx):
    platform = target_platform(ctx)
    base = _base_manifest(ctx, platform)
    outputs = declare_documents(ctx)
    value = _spec(ctx, platform)

    layers = layers_of(ctx, ctx.attr.layers)
    args = action_args(ctx)
    inputs = [layer.metadata for layer in layers]

    # A line of its parameter file rather than a file: a thousand images are a thousand actions less.
    args.add("--attributes=" + json.encode(value))
    args.add_all([layer.metadata for layer in layers], format_each = "--layer=%s")
    if base:
        args.add(base.manifest, format = "--base_manifest=%s")

        # Its place follows from that of the manifest where both are named as here.
        if base.config.path != base.manifest.path.removesuffix(".manifest.json") + ".config.json":
            args.add(base.config, format = "--base_config=%s")
        inputs += [base.manifest, base.config]
    if ctx.attr.subject:
        subject = image_info(ctx.attr.subject).descriptor
        args.add(subject, format = "--subject=%s")
        inputs.append(subject)
    pair_files = ctx.files.annotations_file + ctx.files.env_file + ctx.files.label_files + ctx.files.created
    texts = value.get("annotations", {}).values() + value.get("env", {}).values() + value.get("labels", {}).values()
    for flag, files in {
        "annotations_file": ctx.files.annotations_file,
        "config_fragment": ctx.files.config_fragment,
        "created_file": ctx.files.created,
        "env_file": ctx.files.env_file,
        "label_file": ctx.files.label_files,
        "status_file": status_files(ctx, texts + [value.get("created", "")], pair_files),
    }.items():
        args.add_all(files, format_each = "--" + flag + "=%s")
        inputs += files

    all_layers = (base.layers if base else []) + layers
    soci = soci_index(ctx, all_layers, platform)
    if soci:
        ztocs = [ztoc.metadata for ztoc in soci.layers]
        args.add_all(ztocs, format_each = "--ztoc=%s")
        inputs += ztocs

    # The others are named alike.
    args.add(outputs.manifest, format = "--manifest=%s")
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        inputs = inputs,
        outputs = [outputs.manifest, outputs.config, outputs.descriptor, outputs.digest] +
                  ([soci.manifest, soci.config, soci.descriptor, soci.digest] if soci else []),
        mnemonic = "ImageManifest",
        progress_message = "Assembling image %{label}",
        execution_requirements = EXECUTION_REQUIREMENTS,
    )

    info = ImageManifestInfo(
        config = outputs.config,
        descriptor = outputs.descriptor,
        digest = outputs.digest,
        layers = all_layers,
        layouts = base.layouts if base else [],
        manifest = outputs.manifest,
        soci = soci,
        sources = base.sources if base else [],
        **platform_fields(platform)
    )
    return [
        DefaultInfo(files = depset(
            [outputs.manifest, outputs.config, outputs.digest] +
            [layer_file(layer) for layer in layers],
        )),
        info,
        manifest_output_groups(ctx, info),
    ] + spec_providers(ctx, info)

def _base_manifest(ctx, platform):
    if not ctx.attr.base:
        return None
    if ImageManifestInfo in ctx.attr.base:
        candidates = [ctx.attr.base[ImageManifestInfo]]
    else:
        candidates = ctx.attr.base[ImageIndexInfo].manifests
    fitting = [base for base in candidates if (base.platform.os, base.platform.architecture) == (platform.os, platform.architecture)]
    for base in fitting:
        if base.platform.variant == platform.variant:
            return base

    # No variant is as good as the usual one; whether v6 runs on v7 is for the action to say.
    if fitting:
        return fitting[0]
    fail("%s, base: %s is for %s, but %s is built for %s. Name a base for that platform, or build with --platforms." % (
        label_text(ctx.label),
        label_text(ctx.attr.base.label),
        ", ".join([platform_name(base.platform) for base in candidates]),
        label_text(ctx.label),
        platform_name(platform),
    ))

def _spec(ctx, platform):
    exposed_ports = _either(ctx, "exposed_ports", "ports", [])
    working_dir = _either(ctx, "working_dir", "workdir", INHERIT_FROM_BASE)
    program = _program(ctx)
    spec = {
        "annotations": ctx.attr.annotations,
        "artifact_type": ctx.attr.artifact_type,
        "build_settings": build_setting_values(ctx),
        "config_media_type": ctx.attr.config_media_type,
        "created": _created(ctx),
        "env": program.env | ctx.attr.env,
        "exposed_ports": exposed_ports,
        "labels": ctx.attr.labels,
        "volumes": ctx.attr.volumes,
    }
    spec = {key: value for key, value in spec.items() if value}
    spec["label"] = label_text(ctx.label)
    spec["platform"] = {"architecture": platform.architecture, "os": platform.os} | ({"variant": platform.variant} if platform.variant else {})
    for key, value, default in [
        ("cmd", ctx.attr.cmd, program.cmd),
        ("entrypoint", ctx.attr.entrypoint, program.entrypoint),
        ("stop_signal", ctx.attr.stop_signal, None),
        ("user", ctx.attr.user, None),
        ("working_dir", working_dir, program.working_dir),
    ]:
        if value not in (INHERIT_FROM_BASE, [INHERIT_FROM_BASE]):
            spec[key] = value
        elif default:
            spec[key] = default
    _check(ctx, spec, platform)
    return spec

def _program(ctx):
    """How the image starts where attributes leave it open: by `program`, or by the programs among its layers."""
    program = ProgramInfo(cmd = [], entrypoint = [], env = {}, working_dir = "")
    for target in [ctx.attr.program] if ctx.attr.program else ctx.attr.layers:
        if ProgramInfo in target:
            info = target[ProgramInfo]
            program = ProgramInfo(
                cmd = info.cmd,
                entrypoint = info.entrypoint,
                env = program.env | info.env,
                working_dir = info.working_dir or program.working_dir,
            )
    return program

def _check(ctx, spec, platform):
    where = "%s, " % label_text(ctx.label)
    check_directories(spec.get("volumes", []), platform.os, what = where + "volumes")
    check_env(spec.get("env", {}), what = where + "env")
    check_keys(spec.get("annotations", {}), what = where + "annotations")
    check_keys(spec.get("labels", {}), what = where + "labels")
    check_ports(spec.get("exposed_ports", []), what = where + "exposed_ports")
    check_signal(spec.get("stop_signal", ""), what = where + "stop_signal")
    check_user(spec.get("user", ""), what = where + "user")
    if spec.get("working_dir"):
        check_directories([spec["working_dir"]], platform.os, what = where + "working_dir")

def _created(ctx):
    given = [name for name in ("created", "created_timestamp") if getattr(ctx.attr, name)]
    stamped = ctx.attr.stamp_created
    if stamped == "auto" and not given:
        stamped = ctx.attr._stamp_created[BuildSettingInfo].value
    given += ["stamp_created"] if stamped == "enabled" else []
    if len(given) > 1:
        fail("%s: %s and %s are both set, and each is the creation time. Keep one of them." % (label_text(ctx.label), given[0], given[1]))
    if stamped == "enabled":
        return "{{.BUILD_TIMESTAMP}}" if stamps(ctx) else ""
    return ctx.attr.created_timestamp

def _either(ctx, name, alias, unset):
    first, second = getattr(ctx.attr, name), getattr(ctx.attr, alias)
    if first != unset and second != unset and first != second:
        fail("%s: %r and %r are two names for one thing and differ. Keep %r." % (label_text(ctx.label), name, alias, name))
    return second if first == unset else first

image_manifest = rule(
    implementation = _impl,
    attrs = _ATTRS,
    cfg = _to_platform,
    doc = _DOC,
    provides = [ImageManifestInfo],
)
