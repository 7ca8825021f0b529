"""What `bazel run` targets for images share: the deploy specification and its launcher.

The specification is a JSON file that names the image's files by their place in the runfiles;
tools/lading/commands/deploy.py reads it. Nothing that a registry, store or engine has to say
happens before `bazel run`.
"""

load("@bazel_skylib//rules:common_settings.bzl", "BuildSettingInfo")
load("//rules:providers.bzl", "DeployInfo", "DeploySpecInfo", "ImageIndexInfo", "ImageManifestInfo")
load("//tools/program:program.bzl", "PythonProgramInfo", "declare_launcher", "in_runfiles")
load(":documents.bzl", "image_info")
load(":labels.bzl", "label_text")
load(":stamping.bzl", "STAMP_ATTRS", "build_setting_values", "status_files")

STRATEGIES = ["auto", "eager", "lazy"]

# What every rule that writes a deploy specification needs.
LAUNCHER_ATTRS = {
    "_context": attr.label(default = "//rules/settings:context"),
    "_credential_helper": attr.label(default = "//rules/settings:credential_helper"),
    "_destination_registry": attr.label(default = "//rules/settings:destination_registry"),
    "_destinations": attr.label(default = "//rules/settings:destinations", allow_files = True),
    "_launcher": attr.label(default = "//tools/program:launcher.sh.tpl", allow_single_file = True),
    "_load_daemon": attr.label(default = "//rules/settings:load_daemon"),
    "_load_strategy": attr.label(default = "//rules/settings:load_strategy"),
    "_push_strategy": attr.label(default = "//rules/settings:push_strategy"),
    "_remote_cache": attr.label(default = "//rules/settings:remote_cache"),
    "_remote_instance_name": attr.label(default = "//rules/settings:remote_instance_name"),
}

# What every rule that says where an image goes has.
TARGET_ATTRS = STAMP_ATTRS | {
    "strategy": attr.string(
        default = "auto",
        values = STRATEGIES,
        doc = """Whether layers are on this machine before the command runs: `eager` has Bazel
download them, `lazy` leaves them in the remote cache and streams those that are needed.""",
    ),
    "tracks_content": attr.bool(doc = "Without effect: tags are made when the command runs, so they are always those of the image that is there."),
}

# What a rule has that can be run by itself.
RUN_ATTRS = {
    "tool_cfg": attr.string(
        default = "host",
        values = ["host"],
        doc = "For projects that come from rules_img: commands run on this machine.",
    ),
}

DEPLOY_ATTRS = LAUNCHER_ATTRS | RUN_ATTRS | TARGET_ATTRS | {
    "image": attr.label(
        mandatory = True,
        providers = [[ImageManifestInfo], [ImageIndexInfo]],
        doc = "The image: an `image_manifest` or an `image_index`.",
    ),
}

def spec_of(ctx, kind, settings):
    """What an image's target is, without the image.

    Args:
        ctx: the context of a rule that has TARGET_ATTRS, and perhaps an attribute `tag_file`.
        kind: string, `push`, `load` or `save`.
        settings: dict of JSON values, added to the specification.

    Returns:
        DeploySpecInfo.
    """
    tag_file = getattr(ctx.file, "tag_file", None)
    texts = [settings.get("registry", ""), settings.get("repository", "")]
    texts += settings.get("tags", []) + settings.get("manifest_tags", [])
    return DeploySpecInfo(
        build_settings = build_setting_values(ctx),
        destination_file = getattr(ctx.file, "destination_file", None),
        kind = kind,
        referrers = [image_info(target) for target in getattr(ctx.attr, "referrers", [])],
        settings = settings,
        status_files = status_files(ctx, texts, [tag_file] if tag_file else []),
        strategy = ctx.attr.strategy,
        tag_file = tag_file,
    )

def deploy_providers(ctx, tool, kind, settings):
    """Makes the executable of a rule that has DEPLOY_ATTRS.

    Args:
        ctx: the rule's context.
        tool: Target, the python_program that does the work.
        kind: string, `push`, `load` or `save`.
        settings: dict of JSON values, added to the specification.

    Returns:
        list of providers.
    """
    operation = operation_of(ctx, spec_of(ctx, kind, settings), image_info(ctx.attr.image))
    value, files, inputs = operation_spec(ctx, operation, ctx.attr.strategy)
    return [
        launcher(ctx, tool, value | {"remote": remote_spec(ctx), "version": 1}, files, inputs),
        DeployInfo(operations = [operation]),
        run_environment(),
    ]

def operation_of(ctx, spec, image, known = {}):
    """What is done with one image.

    Args:
        ctx: the context of the rule that it is said of.
        spec: DeploySpecInfo.
        image: ImageManifestInfo or ImageIndexInfo.
        known: dict of string to string, values that templates know beside build settings.

    Returns:
        struct, see DeployInfo.
    """
    if spec.settings.get("manifest_tags") and hasattr(image, "config"):
        fail("%s, manifest_tags: the image is no index. Set `tag_list`." % label_text(ctx.label))
    return struct(
        build_settings = known | spec.build_settings,
        destination_file = spec.destination_file,
        image = image,
        kind = spec.kind,
        label = label_text(ctx.label),
        referrers = spec.referrers + (_soci_index(image) if spec.kind == "push" else []),
        settings = spec.settings,
        status_files = spec.status_files,
        strategy = spec.strategy,
        tag_file = spec.tag_file,
    )

def _soci_index(image):
    """What soci-snapshotter looks for beside the image. An image index lists its own."""
    soci = getattr(image, "soci", None)
    return [soci] if soci else []

def operation_spec(ctx, operation, strategy):
    """An operation as the deploy specification has it.

    Args:
        ctx: the context of a rule that has LAUNCHER_ATTRS.
        operation: struct, see DeployInfo.
        strategy: string, one of STRATEGIES.

    Returns:
        A dict of JSON values, a list of the files it names, and a list of depsets of the files
        that recipes name.
    """
    if strategy == "auto":
        setting = ctx.attr._push_strategy if operation.kind == "push" else ctx.attr._load_strategy
        strategy = setting[BuildSettingInfo].value
    image, files, inputs = _image(ctx, operation.image, lazy = strategy == "lazy")
    value = {"image": image, "kind": operation.kind, "label": operation.label} | operation.settings
    if operation.kind == "push":
        value["destinations"] = _destinations(ctx, files)
        value["destination_registry"] = ctx.attr._destination_registry[BuildSettingInfo].value
    if value.get("daemon") == "auto":
        value["daemon"] = ctx.attr._load_daemon[BuildSettingInfo].value
    for info in operation.referrers:
        referrer, more_files, more_inputs = _image(ctx, info, lazy = strategy == "lazy")
        value["referrers"] = value.get("referrers", []) + [referrer]
        files += more_files
        inputs += more_inputs
    if operation.destination_file:
        files.append(operation.destination_file)
        value["destination_file"] = _place(ctx, operation.destination_file)
    if operation.build_settings:
        value["build_settings"] = operation.build_settings
    if operation.status_files:
        # Read when the command runs: Bazel writes them anew at every build.
        files += operation.status_files
        value["status_files"] = [_place(ctx, file) for file in operation.status_files]
    if operation.tag_file:
        files.append(operation.tag_file)
        value["tag_files"] = [_place(ctx, operation.tag_file)]
    return value, files, inputs

def launcher(ctx, tool, spec, files, inputs = []):
    """Declares the specification and the executable that starts `tool` with it.

    Args:
        ctx: the context of a rule that has LAUNCHER_ATTRS.
        tool: Target, the python_program that does the work.
        spec: dict of JSON values.
        files: list of File, what the specification names.
        inputs: list of depset of File, what has to be there too, under its own path.

    Returns:
        DefaultInfo.
    """
    spec_file = ctx.actions.declare_file(ctx.label.name + ".deploy.json")
    ctx.actions.write(spec_file, json.encode_indent(spec, indent = "  ") + "\n")
    arguments = ["--spec=" + in_runfiles(ctx, spec_file), '--runfiles="$runfiles"']
    executable = declare_launcher(ctx, ctx.file._launcher, tool[PythonProgramInfo], arguments)
    runfiles = ctx.runfiles(
        files = [spec_file],
        symlinks = {_symlink(file): file for file in files},
        transitive_files = depset(transitive = inputs),
    ).merge(tool[DefaultInfo].default_runfiles)
    return DefaultInfo(executable = executable, files = depset([executable]), runfiles = runfiles)

def run_environment():
    """What the commands read of the environment, for rules that start them in another way than `bazel run`.

    Returns:
        RunEnvironmentInfo.
    """
    return RunEnvironmentInfo(inherited_environment = [
        "DOCKER_CONFIG",
        "DOCKER_HOST",
        "HOME",
        "LADING_CONTEXT",
        "LADING_REALMS",
        "LADING_REMOTE_CACHE",
        "LADING_STORE",
        "REGISTRY_AUTH_FILE",
        "SSL_CERT_FILE",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_RUNTIME_DIR",
    ])

def remote_spec(ctx):
    """Where the settings say that outputs are which Bazel did not download; `remote` of a spec."""
    values = {
        "credential_helper": ctx.attr._credential_helper,
        "remote_cache": ctx.attr._remote_cache,
        "remote_instance_name": ctx.attr._remote_instance_name,
    }
    found = {name: setting[BuildSettingInfo].value for name, setting in values.items()}
    return {name: value for name, value in found.items() if value}

def _destinations(ctx, files):
    """The context and the file of contexts, which is added to `files`; `destinations` of a spec."""
    value = {"context": ctx.attr._context[BuildSettingInfo].value}
    given = ctx.files._destinations
    if len(given) > 1:
        fail("//rules/settings:destinations: %s has %d files. Name one YAML file." % (label_text(ctx.attr._destinations.label), len(given)))
    if given:
        files.extend(given)
        value |= {"file": _place(ctx, given[0]), "label": given[0].short_path}
    return value

def _place(ctx, file):
    """Where the launcher finds `file` below the runfiles directory.

    A runfiles path leaves out the configuration, in which the images of an index differ and the
    names of their files do not. So these files are symlinks, named for their execution path.
    """
    return ctx.workspace_name + "/" + _symlink(file)

def _symlink(file):
    return "lading.files/" + file.path

def _image(ctx, info, lazy):
    if hasattr(info, "config"):
        return _manifest(ctx, info, lazy)
    files = [info.descriptor, info.index]
    inputs = []
    parts = {"artifacts": [], "manifests": []}
    for key, infos in {
        "artifacts": [manifest.soci for manifest in info.manifests if getattr(manifest, "soci", None)],
        "manifests": info.manifests,
    }.items():
        for part in infos:
            value, more_files, more_inputs = _manifest(ctx, part, lazy)
            parts[key].append(value)
            files += more_files
            inputs += more_inputs
    return {
        "descriptor": _place(ctx, info.descriptor),
        "index": _place(ctx, info.index),
    } | {key: values for key, values in parts.items() if values}, files, inputs

def _manifest(ctx, info, lazy):
    path = lambda file: _place(ctx, file)
    files = [info.descriptor, info.manifest, info.config] + info.layouts
    inputs = []
    layers = []
    for layer in info.layers:
        files.append(layer.metadata)
        value = {"metadata": path(layer.metadata)}
        if getattr(layer, "recipe", None):
            value["recipe"] = path(layer.recipe)
            value["output"] = layer.blob.path
            files.append(layer.recipe)
            inputs.append(layer.inputs)
        elif layer.blob and lazy and not layer.blob.is_source:
            # Not among the runfiles, so Bazel has no reason to download it.
            value["output"] = layer.blob.path
        elif layer.blob:
            value["blob"] = path(layer.blob)
            files.append(layer.blob)
        layers.append(value)
    return {
        "config": path(info.config),
        "descriptor": path(info.descriptor),
        "layers": layers,
        "layouts": [path(layout) for layout in info.layouts],
        "manifest": path(info.manifest),
        "sources": [{"registry": source.registry, "repository": source.repository} for source in info.sources],
    }, files, inputs
