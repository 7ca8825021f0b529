"""dockerfile_image: an image from a Dockerfile."""

load("//rules:providers.bzl", "ImageIndexInfo", "ImageManifestInfo")
load(":builder.bzl", "BUILDER_ATTRS", "add_base", "add_builder_flags", "builder_requirements", "only_file")
load(":documents.bzl", "add_documents", "declare_documents", "image_in_layout")
load(":labels.bzl", "label_text")
load(":layouts.bzl", "LAYOUT_ATTRS")
load(":paths.bzl", "package_path")
load(":platforms.bzl", "PLATFORM_ATTRS", "platform_name", "target_platform")
load(":worker.bzl", "action_args")

_DOC = """An image that a Dockerfile describes, for what is no output of Bazel: installers, package managers.

A builder of this machine builds it: the BuildKit of a Docker daemon, a `buildkitd`, or buildah (see
`--@lading//rules/settings:builder`). What it made is written again by lading: layers sorted, dated at the epoch,
packed by one compressor; layers of `bases` stay the blobs that they are. So the image is reproducible where the
Dockerfile is.

Nothing is pulled unless `allow` names it, and commands have no network unless `network` gives them one. A Dockerfile
that only copies outputs of Bazel is refused, because `image_manifest` does that without a builder; `reason` overrules.

The action is not hermetic. It runs on this machine, outside of the sandbox; docs/dockerfile.md says how it is cached.
"""

_ATTRS = PLATFORM_ATTRS | LAYOUT_ATTRS | BUILDER_ATTRS | {
    "allow": attr.string_list(doc = """Images and frontends that the builder may fetch from a registry, as the Dockerfile names them, best with
a digest: `debian:13@sha256:...`."""),
    "bases": attr.string_keyed_label_dict(
        providers = [[ImageManifestInfo], [ImageIndexInfo]],
        doc = "Name in `FROM`, `COPY --from` or `RUN --mount=from=` to the image that it stands for. No registry is asked for it.",
    ),
    "build_args": attr.string_dict(doc = "Values of `ARG`. They are part of the image's history, and no place for secrets."),
    "cache_from": attr.string_list(doc = """Where the builder looks for results of earlier builds: `type=registry,ref=NAME`, or
`type=local,src=/absolute/directory`. BuildKit only."""),
    "cache_to": attr.string_list(doc = """Where the builder puts its results for other builds: `type=registry,ref=NAME,mode=max`,
`type=local,dest=/absolute/directory`, `type=inline`. BuildKit only."""),
    "dockerfile": attr.label(allow_single_file = True, mandatory = True, doc = "The Dockerfile."),
    "entitlements": attr.string_list(doc = """What `RUN --security=insecure` takes: `security.insecure`, the rights of the machine's root, if BuildKit is
configured to give them."""),
    "files": attr.string_keyed_label_dict(
        allow_files = True,
        doc = "Path in the context to a target with one file or directory, or to a program, which comes without its runfiles.",
    ),
    "labels": attr.string_dict(doc = "Labels of the image."),
    "pull": attr.bool(doc = "Whether images of `allow` are asked for anew, where the builder has them."),
    "reason": attr.string(doc = "Why a Dockerfile that only copies outputs of Bazel is wanted all the same."),
    "srcs": attr.label_list(
        allow_files = True,
        doc = "Files of the context, at their path in this package; those of other packages at their path in their own.",
    ),
    "target": attr.string(doc = "Stage to build; by default the last."),
    "_tool": attr.label(default = "//tools/lading/actions:dockerfile_program", cfg = "exec", executable = True),
}

def _impl(ctx):
    platform = target_platform(ctx)
    documents = declare_documents(ctx)
    layout = ctx.actions.declare_directory(ctx.label.name + ".layers")

    args = action_args(ctx)
    args.add("--label=" + label_text(ctx.label))
    args.add("--platform=" + platform_name(platform))
    args.add(ctx.file.dockerfile, format = "--dockerfile=%s")
    add_builder_flags(ctx, args)
    files = _add_context(ctx, args)
    bases = [add_base(args, base, target) for base, target in ctx.attr.bases.items()]
    for flag, values in (("build_arg", ctx.attr.build_args), ("image_label", ctx.attr.labels)):
        for key, value in values.items():
            if "\n" in key + value:
                fail("%s: the value of %s has a line break. Put it into a file of the context." % (label_text(ctx.label), key))
            args.add("--%s=%s=%s" % (flag, key, value))
    args.add_all(ctx.attr.allow, format_each = "--allow=%s")
    args.add_all(ctx.attr.cache_from, format_each = "--cache_from=%s")
    args.add_all(ctx.attr.cache_to, format_each = "--cache_to=%s")
    args.add_all(ctx.attr.entitlements, format_each = "--entitlement=%s")
    if ctx.attr.pull:
        args.add("--pull=1")
    if ctx.attr.target:
        args.add(ctx.attr.target, format = "--target=%s")
    if not ctx.attr.reason and _is_all_generated(ctx, files):
        args.add("--generated=1")
    outputs = add_documents(args, documents) + [layout]
    args.add("--layout=" + layout.path)
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = [args],
        inputs = files + bases + [ctx.file.dockerfile],
        outputs = outputs,
        mnemonic = "DockerfileBuild",
        progress_message = "Building %{label} from its Dockerfile, with a builder of this machine",
        # DOCKER_HOST and BUILDKIT_HOST, where --action_env lets them through.
        use_default_shell_env = True,
        execution_requirements = builder_requirements(ctx.attr.network, bool(ctx.attr.allow or ctx.attr.cache_from or ctx.attr.cache_to)),
    )
    return image_in_layout(ctx, documents, layout, platform)

def _add_context(ctx, args):
    """Adds the files of the context and returns them."""
    files = []
    for target in ctx.attr.srcs:
        for file in target.files.to_list():
            args.add("--file=%s\t%s" % (package_path(file, target.label.package), file.path))
            files.append(file)
    for path, target in ctx.attr.files.items():
        file = only_file(target, "%s, files[%r]" % (label_text(ctx.label), path))
        if path.startswith("/") or ".." in path.split("/") or "\t" in path or "\n" in path:
            fail("%s, files[%r] is no path in the context. Paths are relative, without '..'." % (label_text(ctx.label), path))
        args.add("--file=%s\t%s" % (path, file.path))
        files.append(file)
    return files

def _is_all_generated(ctx, files):
    """Whether, for all that is known before an action runs, rules could make the image.

    What the Dockerfile says is not known here; the action looks at it.
    """
    return (
        not ctx.attr.allow and not ctx.attr.secrets and ctx.attr.network == "none" and
        bool(files) and not [file for file in files if file.is_source]
    )

dockerfile_image = rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
    provides = [ImageManifestInfo],
)
