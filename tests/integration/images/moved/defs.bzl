"""Macros and rules as projects have them around the rules of rules_img."""

load("@bazel_skylib//rules:common_settings.bzl", "string_flag")
load("@lading//rules:image.bzl", "image_from_binary", "image_index", "image_manifest")
load("@lading//rules:layer.bzl", "file_metadata", "image_layer", "layer_from_binary", "layer_from_tar")
load("@lading//rules:load.bzl", "image_load")
load("@lading//rules:providers.bzl", "DeployInfo", "ImageIndexInfo", "ImageManifestInfo", "LayersInfo")
load("@lading//rules:push.bzl", "image_push")

def service(name, binary, repository, files = None, env = None):
    """A program and its files for two platforms, with a push and a load of its own.

    Args:
        name: string, prefix of the targets.
        binary: string, label of the program.
        repository: string.
        files: dict of path to label, or a select of such.
        env: dict of strings.
    """
    path = "/app/bin/" + native.package_relative_label(binary).name
    string_flag(
        name = name + "_tag",
        build_setting_default = "dev",
    )
    image_layer(
        name = name + "_layer",
        srcs = {path: binary},
        compress = "zstd",
        default_metadata = file_metadata(
            gid = 65532,
            mtime = "1970-01-01T00:00:00Z",
            uid = 65532,
        ),
        file_metadata = {path: file_metadata(mode = "0755")},
        include_runfiles = False,
        tags = ["manual"],
    )
    layers = [name + "_layer"]
    if files:
        image_layer(
            name = name + "_files",
            srcs = files,
            create_parent_directories = select({
                "@platforms//os:windows": "enabled",
                "//conditions:default": "disabled",
            }),
        )
        layers.append(":%s_files" % name)
    image_manifest(
        name = name + "_manifest",
        base = select({
            "@platforms//os:linux": Label("@base"),
        }),
        cmd = [],
        entrypoint = select({
            "@platforms//os:windows": ["C:" + path],
            "//conditions:default": [path],
        }),
        env = env or {},
        layers = layers,
        stamp = "disabled",
        stamp_created = "disabled",
        tags = ["manual"],
        user = "%d:%d" % (65532, 65532),
    )
    image_index(
        name = name,
        manifests = [name + "_manifest"],
        platforms = [
            Label("//platforms:linux_amd64"),
            Label("//platforms:linux_amd64_v3"),
            "//platforms:linux_arm64",
        ],
        stamp = "disabled",
    )
    image_push(
        name = name + "_push",
        build_settings = {"tag": name + "_tag"},
        image = name,
        push_at_build_time = "disabled",
        repository = repository,
        strategy = "eager",
        tag_list = [
            "{{if (eq .GIT_BRANCH \"main\")}}latest{{else}}{{.tag}}{{end}}",
            "{{if .STABLE_GIT_COMMIT}}{{.tag}}-{{.STABLE_GIT_COMMIT}}{{end}}",
            "sha256-{{slice .digest 7}}",
        ],
        tracks_content = True,
    )
    image_load(
        name = name + "_load",
        image = ":" + name,
        tag = "moved/%s:dev" % name,
        tool_cfg = "host",
    )
    native.filegroup(
        name = name + "_archive",
        srcs = [name + "_load"],
        output_group = "tarball",
    )

def container(name, binary, additional_binaries = {}, **kwargs):
    """A program with others beside it.

    Args:
        name: string.
        binary: label.
        additional_binaries: dict of path to label.
        **kwargs: attributes of `image_from_binary`.
    """
    layers = []
    for number, path in enumerate(sorted(additional_binaries)):
        layer_from_binary(
            name = "%s_binary_%d" % (name, number),
            binary = additional_binaries[path],
            include_runfiles = False,
            layer_budget = 0,
            path = path,
        )
        layers.append(":%s_binary_%d" % (name, number))
    image_from_binary(
        name = name,
        binary = binary,
        include_runfiles = False,
        layers = layers,
        path = "/app/",
        working_dir = "/app",
        **kwargs
    )

def image_of_tars(name, tars, **kwargs):
    """An image of archives that other rules make.

    Args:
        name: string.
        tars: list of labels.
        **kwargs: attributes of `image_manifest`.
    """
    for number, tar in enumerate(tars):
        layer_from_tar(
            name = "%s_layer_%d" % (name, number),
            src = tar,
        )
    image_manifest(
        name = name,
        layers = [":%s_layer_%d" % (name, number) for number in range(len(tars))],
        **kwargs
    )

def _to_arm_impl(_settings, _attr):
    return {"//command_line_option:platforms": "//platforms:linux_arm64"}

_to_arm = transition(
    implementation = _to_arm_impl,
    inputs = [],
    outputs = ["//command_line_option:platforms"],
)

def _layer_for_arm_impl(ctx):
    target = ctx.attr.actual[0]
    return [target[DefaultInfo]] + ([target[LayersInfo]] if LayersInfo in target else [])

layer_for_arm = rule(
    implementation = _layer_for_arm_impl,
    attrs = {"actual": attr.label(cfg = _to_arm)},
    doc = "A layer as it is for another platform: the providers that rules of images read are passed on.",
)

def _deployment_impl(ctx):
    image = ctx.attr.image
    manifests = image[ImageIndexInfo].manifests if ImageIndexInfo in image else [image[ImageManifestInfo]]
    [digest] = image[OutputGroupInfo].digest.to_list()
    output = ctx.actions.declare_file(ctx.label.name + ".txt")
    ctx.actions.run_shell(
        outputs = [output],
        inputs = [digest],
        arguments = [digest.path, output.path] + [
            "%s/%s/%s" % (info.os, info.architecture, info.variant)
            for info in manifests
        ] + ctx.attr.push[RunEnvironmentInfo].inherited_environment,
        command = """digest=$1; output=$2; shift 2; { cat "$digest"; printf '\\n%s' "$@"; } > "$output" """,
    )
    return [DefaultInfo(files = depset([output]))]

deployment = rule(
    implementation = _deployment_impl,
    attrs = {
        "image": attr.label(providers = [[ImageManifestInfo], [ImageIndexInfo]]),
        "push": attr.label(providers = [DeployInfo]),
    },
    doc = "What deployment rules read of an image and its push.",
)
