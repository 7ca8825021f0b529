"""image_layer: files, directories, binaries, archives and Debian packages as one layer."""

load("@bazel_skylib//rules:common_settings.bzl", "BuildSettingInfo")
load("//rules:providers.bzl", "LayerInfo", "LayersInfo")
load(":compression.bzl", "EXTENSION", "MEDIA_TYPE", "profile_of")
load(":labels.bzl", "label_text")
load(":layer_providers.bzl", "layer_providers")
load(":paths.bzl", "image_path", "link_target")
load(":soci.bzl", "ztoc_of")
load(":sources.bzl", "add_target")
load(":worker.bzl", "EXECUTION_REQUIREMENTS", "action_args")

_DOC = """One layer of an image, built by one action that reads its inputs once.

The same inputs give the same bytes: entries are sorted, owned by root, dated at the epoch, and
files have mode 0755 unless told otherwise, because Bazel does not keep modes.
"""

# Values of attributes that switch something; the macros of //rules:layer.bzl take booleans as well.
_SWITCH = ["auto", "disabled", "enabled"]

# What every rule that makes a layer shares: compression, metadata, and the tool itself.
LAYER_ATTRS = {
    "annotations": attr.string_dict(doc = "Annotations of the layer's descriptor."),
    "annotations_file": attr.label(allow_single_file = True, doc = "File with more annotations, `KEY=VALUE` lines or JSON; `annotations` wins over it."),
    "compress": attr.string(
        default = "auto",
        values = ["auto", "gzip", "none", "zstd"],
        doc = "Compression; `auto` is the flag `--@lading//rules/settings:compress`.",
    ),
    "create_parent_directories": attr.string(
        default = "auto",
        values = _SWITCH,
        doc = """Whether directories that hold an entry are entries too (mode 0755, or the standard mode of `/tmp` and
`/root`); `auto` is the flag `--@lading//rules/settings:create_parent_directories`, which is `enabled`.""",
    ),
    "default_metadata": attr.string(doc = "`file_metadata(...)` for everything without metadata of its own."),
    "estargz": attr.string(
        default = "auto",
        values = _SWITCH,
        doc = """Whether the layer is eStargz: gzip in which every file can be fetched by itself, with a table of
contents. `auto` is the flag `--@lading//rules/settings:estargz`, which is `disabled`, and counts where the layer is gzip.""",
    ),
    "file_metadata": attr.string_dict(doc = "Path in the image to `file_metadata(...)`. A path that matches nothing is an error."),
    "media_type": attr.string(doc = "Media type of the layer; by default the OCI type of its compression."),
    "soci": attr.string(
        default = "auto",
        values = _SWITCH,
        doc = """Whether the layer has a zTOC, with which soci-snapshotter starts containers before the layer is there.
`auto` is the flag `--@lading//rules/settings:soci`, which is `disabled`, and counts where the layer is gzip and not eStargz.""",
    ),
    "tree_artifact_handling": attr.string(
        default = "auto",
        values = ["auto", "deduplicate_symlink", "full"],
        doc = """What to do with a directory made by an action that is at several paths: `full` stores it at each of them,
its files once; `deduplicate_symlink` stores it at the first path and symbolic links to that at the others. `auto` is
the flag `--@lading//rules/settings:layer_tree_artifact_handling`, which is `full`.""",
    ),
    "_compact": attr.label(default = "//rules/settings:compact_layers"),
    "_compress": attr.label(default = "//rules/settings:compress"),
    "_compression_level": attr.label(default = "//rules/settings:compression_level"),
    "_create_parent_directories": attr.label(default = "//rules/settings:create_parent_directories"),
    "_estargz": attr.label(default = "//rules/settings:estargz"),
    "_layer_tree_artifact_handling": attr.label(default = "//rules/settings:layer_tree_artifact_handling"),
    "_layer_cache": attr.label(default = "//rules/settings:layer_cache"),
    "_profile": attr.label(default = "//rules/settings:profile"),
    "_soci": attr.label(default = "//rules/settings:soci"),
    "_tool": attr.label(default = "//tools/lading/actions:layer_program", cfg = "exec", executable = True),
}

# The same for layers that rules plan: there are no paths of the user's to give metadata to.
PLANNED_LAYER_ATTRS = {name: value for name, value in LAYER_ATTRS.items() if name != "file_metadata"}

_ATTRS = LAYER_ATTRS | {
    "debs": attr.label_list(allow_files = [".deb"], doc = "Debian packages, unpacked without their maintainer scripts."),
    "directories": attr.string_list(doc = "Paths of directories to make; one that also holds something is the same directory."),
    "exclude": attr.string_list(doc = """Patterns of absolute paths to leave out of `debs` and `tars`. `*` stands for anything, also
with slashes; a pattern after `!` takes back what an earlier one leaves out; the last that fits decides."""),
    "include_runfiles": attr.bool(default = True, doc = "Whether executables in `srcs` bring their runfiles, at `PATH.runfiles`."),
    "multi_file_layout": attr.string(
        default = "package_relative",
        values = ["flatten", "package_relative"],
        doc = "Where the files of a target with several files land below its path: by their path in the package, or all side by side.",
    ),
    "srcs": attr.string_keyed_label_dict(
        allow_files = True,
        doc = """Path in the image to target. A single file lands exactly at its path; a path that
ends in `/`, or that several targets share, keeps each file's own name.""",
    ),
    "symlinks": attr.string_dict(doc = "Path in the image to the target of a symbolic link."),
    "tars": attr.label_list(
        allow_files = [".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst", ".tar.xz", ".tar.bz2"],
        doc = "Archives whose entries are merged into the layer.",
    ),
}

def _impl(ctx):
    where = label_text(ctx.label)
    args = action_args(ctx)
    inputs = []
    paths = {key: image_path(key, what = "%s, srcs[%r]" % (where, key)) for key in ctx.attr.srcs}
    counts = {}
    for path in paths.values():
        counts[path] = counts.get(path, 0) + 1
    for key, target in ctx.attr.srcs.items():
        inputs += add_target(
            args,
            target,
            paths[key],
            inside = key.endswith("/") or counts[paths[key]] > 1,
            layout = ctx.attr.multi_file_layout,
            include_runfiles = ctx.attr.include_runfiles,
            what = "%s, srcs[%r]" % (where, key),
            workspace_name = ctx.workspace_name,
        )
    args.add_all(ctx.files.debs, format_each = "P\t\t%s")
    args.add_all(ctx.files.tars, format_each = "A\t/\t%s")
    args.add_all(ctx.attr.exclude, format_each = "X\t%s")
    for path in ctx.attr.directories:
        args.add("D\t" + image_path(path, what = "%s, directories" % where))
    for path, target in ctx.attr.symlinks.items():
        args.add("L\t%s\t%s" % (image_path(path, what = "%s, symlinks" % where), link_target(target, what = "%s, symlinks[%r]" % (where, path))))
    return layer_action(ctx, args, depset(ctx.files.debs + ctx.files.tars, transitive = inputs))

def layer_action(ctx, args, inputs, *, name = None, compact = None, requirements = {}):
    """Declares the LayerTar action and returns the providers of a layer.

    Args:
        ctx: the context of a rule that has LAYER_ATTRS.
        args: Args made by `action_args`, holding the layer's sources.
        inputs: depset of File, everything that the sources name.
        name: string, what the outputs are called; by default as the target.
        compact: bool, whether the layer is a recipe; by default what the setting says.
        requirements: dict of strings, execution requirements to add.

    Returns:
        list of providers.
    """
    name = name or ctx.label.name
    compression, estargz, soci = layer_format(ctx)
    level = ctx.attr._compression_level[BuildSettingInfo].value
    extension = EXTENSION[compression]
    blob = ctx.actions.declare_file(name + extension)
    metadata = ctx.actions.declare_file(name + ".metadata.json")

    _add_options(ctx, args, compression, profile_of(ctx), level)
    if estargz:
        args.add("--estargz=1")
    if soci:
        args.add("--soci=1")
    direct = [ctx.file.annotations_file] if ctx.file.annotations_file else []
    all_inputs = depset(direct, transitive = [inputs])
    if compact == None:
        compact = ctx.attr._compact[BuildSettingInfo].value == "enabled"
    if compact:
        # Two actions: the blob is made only for whoever wants it as a file.
        recipe = ctx.actions.declare_file(metadata.basename.replace(".metadata.", ".recipe."), sibling = metadata)
        _tar_action(ctx, args, all_inputs, {"metadata": metadata, "recipe": recipe}, requirements)
        _tar_action(ctx, args, all_inputs, {"output": blob}, requirements)
    else:
        recipe = None
        args.add("--output=" + extension)
        _tar_action(ctx, args, all_inputs, {"metadata": metadata}, requirements, beside = [blob])
    mtree = mtree_of(ctx, blob, name)
    ztoc = ztoc_of(ctx, blob, metadata, name) if soci else None
    info = LayerInfo(
        blob = blob,
        inputs = inputs if recipe else depset(),
        media_type = ctx.attr.media_type or MEDIA_TYPE[compression],
        metadata = metadata,
        mtree = mtree,
        recipe = recipe,
        ztoc = ztoc,
    )
    return layer_providers(
        info,
        mtree = depset([mtree]),
        ztoc = depset([ztoc.blob] if ztoc else []),
    )

def layer_format(ctx):
    """How a layer is compressed, from attributes and flags.

    Args:
        ctx: the context of a rule that has LAYER_ATTRS.

    Returns:
        tuple of string, gzip, zstd or none, and two bools, whether it is eStargz and has a zTOC.
    """
    compression = ctx.attr.compress
    asked = [name for name in ("estargz", "soci") if getattr(ctx.attr, name) == "enabled"]
    if len(asked) == 2:
        fail("%s, soci: the layer is eStargz as well, and each is for a snapshotter of its own. Remove one of them." % label_text(ctx.label))
    if asked and compression not in ("auto", "gzip"):
        what = "an eStargz layer is gzip" if asked == ["estargz"] else "only gzip layers have a zTOC"
        fail("%s, %s: %s, but compress is %r. Remove one of them." % (label_text(ctx.label), asked[0], what, compression))
    if compression == "auto":
        compression = "gzip" if asked else ctx.attr._compress[BuildSettingInfo].value
    is_gzip = compression == "gzip"
    estargz = is_gzip and setting_of(ctx, "estargz") == "enabled" and asked != ["soci"]
    return compression, estargz, is_gzip and not estargz and setting_of(ctx, "soci") == "enabled"

def setting_of(ctx, name, *, flag = None):
    """The value of an attribute, or where it is `auto` of the flag that it follows.

    Args:
        ctx: the context of a rule that has LAYER_ATTRS.
        name: string, the attribute.
        flag: string, the flag's name if it is another.

    Returns:
        string.
    """
    value = getattr(ctx.attr, name)
    return getattr(ctx.attr, "_" + (flag or name))[BuildSettingInfo].value if value == "auto" else value

def _tar_action(ctx, args, inputs, outputs, requirements, beside = []):
    """Declares an action of the layer's tool; `outputs` is a dict of flag to File, `beside` what needs no flag."""
    arguments = [args]
    if not beside:
        # Two actions share `args`, so what is different has a file of its own.
        arguments.append(action_args(ctx))
    for flag, file in outputs.items():
        arguments[-1].add(file, format = "--" + flag + "=%s")
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = arguments,
        inputs = inputs,
        outputs = outputs.values() + beside,
        mnemonic = "LayerTar",
        progress_message = "Building layer %{label}",
        execution_requirements = EXECUTION_REQUIREMENTS | requirements,
    )

def _add_options(ctx, args, compression, profile, level):
    # What the tool assumes is not said: a thousand images are a thousand parameter files.
    if compression != "gzip":
        args.add(compression, format = "--compression=%s")
    if profile != "fast":
        args.add(profile, format = "--profile=%s")
    if level >= 0:
        args.add(level, format = "--level=%s")
    if ctx.attr._layer_cache[BuildSettingInfo].value != 256:
        args.add(ctx.attr._layer_cache[BuildSettingInfo].value, format = "--cache_mib=%s")
    if ctx.attr.media_type:
        args.add(ctx.attr.media_type, format = "--media_type=%s")
    if setting_of(ctx, "create_parent_directories") == "disabled":
        args.add("--create_parent_directories=0")
    if setting_of(ctx, "tree_artifact_handling", flag = "layer_tree_artifact_handling") == "deduplicate_symlink":
        args.add("--deduplicate_trees=1")
    if ctx.attr.default_metadata:
        args.add(ctx.attr.default_metadata, format = "--default_metadata=%s")
    if ctx.attr.annotations:
        args.add(json.encode(ctx.attr.annotations), format = "--annotations=%s")
    if ctx.file.annotations_file:
        args.add(ctx.file.annotations_file, format = "--annotations_file=%s")
    for path, metadata in getattr(ctx.attr, "file_metadata", {}).items():
        args.add("M\t%s\t%s" % (image_path(path, what = "%s, file_metadata" % label_text(ctx.label)), metadata))

def mtree_of(ctx, blob, name):
    """Declares the description of a layer as mtree(5), made only when somebody asks for it.

    Args:
        ctx: the context of a rule that has LAYER_ATTRS.
        blob: File, the layer.
        name: string, what the description is called, without its suffix.

    Returns:
        File.
    """
    mtree = ctx.actions.declare_file(name + ".mtree")
    args = action_args(ctx)
    args.add("--output=" + mtree.path)
    args.add("--mtree_of=" + blob.path)
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        inputs = [blob],
        outputs = [mtree],
        mnemonic = "LayerMtree",
        progress_message = "Listing layer %{label}",
        execution_requirements = EXECUTION_REQUIREMENTS,
    )
    return mtree

image_layer = rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
    provides = [LayerInfo, LayersInfo],
)
