"""Tests of images that users declare."""

load("//rules:providers.bzl", "ImageIndexInfo", "ImageManifestInfo")
load("//tools/program:runfiles.bzl", "runfiles_path")
load(":deploy.bzl", "LAUNCHER_ATTRS", "launcher", "operation_spec")
load(":documents.bzl", "image_info")
load(":labels.bzl", "label_text")
load(":names.bzl", "is_digest")

# Any platform that tests run on will do, whatever the image is for: Bazel 9 wants the target platform's constraints
# of it, unless the rule says what it needs. The program is for the same one.
_EXEC_GROUPS = {"test": exec_group()}

_ATTRS = LAUNCHER_ATTRS | {
    "image": attr.label(
        mandatory = True,
        providers = [[ImageManifestInfo], [ImageIndexInfo]],
        doc = "The image. Of an index, every image is tested.",
    ),
    "_tool": attr.label(default = "//tools/lading/commands:check_image", cfg = config.exec("test"), executable = True),
}

def _providers(ctx, settings, files = [], tool = None):
    operation = struct(
        build_settings = {},
        destination_file = None,
        image = image_info(ctx.attr.image),
        kind = "test",
        label = label_text(ctx.label),
        referrers = [],
        settings = settings,
        status_files = [],
        strategy = "eager",
        tag_file = None,
    )
    value, image_files, inputs = operation_spec(ctx, operation, "eager")
    return [
        launcher(ctx, tool or ctx.attr._tool, value | {"version": 1}, image_files, inputs + [depset(files)]),
        RunEnvironmentInfo(inherited_environment = ["DOCKER_HOST", "CONTAINER_HOST", "HOME", "PATH", "XDG_RUNTIME_DIR"]),
    ]

_STRUCTURE_DOC = """Checks the files and the config of an image against container-structure-test configurations.

File existence, file content and metadata tests read the image as it is, without a container engine
and without unpacking it. Command tests take one, named by `daemon`.
"""

def _structure_impl(ctx):
    if not ctx.files.configs:
        fail("%s, configs: the list is empty. Name at least one configuration." % label_text(ctx.label))
    return _providers(ctx, {
        "configs": [runfiles_path(file, ctx.workspace_name) for file in ctx.files.configs],
        "daemon": ctx.attr.daemon,
    }, ctx.files.configs)

image_structure_test = rule(
    implementation = _structure_impl,
    attrs = _ATTRS | {
        "configs": attr.label_list(
            allow_files = [".json", ".yaml", ".yml"],
            mandatory = True,
            doc = "Configurations of container-structure-test, schema 2.0.0.",
        ),
        "daemon": attr.string(
            values = ["", "docker", "podman"],
            doc = "Engine that runs command tests. Such a test needs the tags `no-sandbox` and `no-remote`.",
        ),
    },
    doc = _STRUCTURE_DOC,
    exec_groups = _EXEC_GROUPS,
    test = True,
)

_CONTRACT_DOC = """Checks what whoever runs an image relies on.

That a program is at its path, can start there (it is executable, for the image's architecture, and its
interpreter or loader is in the image) and is what the image starts; that the image passes it certain
arguments; that variables are set, ports exposed, and that files can be mounted.
"""

def _contract_impl(ctx):
    contract = {
        "args": ctx.attr.required_args,
        "binary": ctx.attr.binary,
        "env": ctx.attr.env,
        "mounts": ctx.attr.mounts,
        "nonroot": ctx.attr.nonroot,
        "ports": ctx.attr.ports,
        "user": ctx.attr.user,
        "volumes": ctx.attr.volumes,
    }
    contract = {key: value for key, value in contract.items() if value}
    if not contract:
        fail("%s: the contract is empty. Set binary, required_args, env, mounts, ports, volumes, user or nonroot." % label_text(ctx.label))
    for attribute, paths in {"binary": [ctx.attr.binary] if ctx.attr.binary else [], "mounts": ctx.attr.mounts}.items():
        for path in paths:
            if not path.startswith("/"):
                fail("%s, %s: %r is not an absolute path. Start it with /." % (label_text(ctx.label), attribute, path))
    return _providers(ctx, {"contract": contract})

image_contract_test = rule(
    implementation = _contract_impl,
    attrs = _ATTRS | {
        "binary": attr.string(doc = "Path of the program that the image starts: `/bin/atticd`."),
        "env": attr.string_dict(doc = "Variables that are set; an empty value stands for any."),
        "mounts": attr.string_list(doc = "Paths where files or directories are mounted: they exist, or the directory they are in does."),
        "nonroot": attr.bool(doc = "Whether the user must not be root."),
        "ports": attr.string_list(doc = "Ports that are exposed: `8080`, `53/udp`."),
        "required_args": attr.string_list(doc = "Words that entrypoint and cmd pass to the program, side by side: `[\"--mode\", \"monolithic\"]`."),
        "user": attr.string(doc = "The user."),
        "volumes": attr.string_list(doc = "Directories that are declared volumes."),
    },
    doc = _CONTRACT_DOC,
    exec_groups = _EXEC_GROUPS,
    test = True,
)

_DIGEST_DOC = """Checks that an image has a certain digest: a change that nobody meant fails, one that is meant is a line in a review."""

def _digest_impl(ctx):
    digest = ctx.attr.digest
    if not is_digest(digest):
        fail("%s, digest: %r is none. A digest is sha256: and 64 lowercase hex digits." % (label_text(ctx.label), digest))
    return _providers(ctx, {"digest": digest})

image_digest_test = rule(
    implementation = _digest_impl,
    attrs = _ATTRS | {
        "digest": attr.string(mandatory = True, doc = "The digest, `sha256:...`."),
    },
    doc = _DIGEST_DOC,
    exec_groups = _EXEC_GROUPS,
    test = True,
)

_VERIFY_DOC = """Checks that an image is sound: documents, platforms, and every layer as bytes and as tar.

docs/verify.md lists the rules. Layers of a pulled base that are not on this machine are not read.
"""

def _verify_impl(ctx):
    return _providers(ctx, {"strict": ctx.attr.strict}, tool = ctx.attr._verify)

image_verify_test = rule(
    implementation = _verify_impl,
    attrs = _ATTRS | {
        "strict": attr.bool(doc = "Whether warnings fail as well."),
        "_verify": attr.label(default = "//tools/lading/commands:verify", cfg = config.exec("test"), executable = True),
    },
    doc = _VERIFY_DOC,
    exec_groups = _EXEC_GROUPS,
    test = True,
)
