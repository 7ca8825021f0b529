"""image(): one call for an image and everything a team does with it."""

load(":binary.bzl", "layer_from_binary")
load(":common.bzl", "take_common")
load(":index.bzl", "image_index")
load(":load.bzl", "image_load")
load(":manifest.bzl", "image_manifest")
load(":push.bzl", "image_push")
load(":save.bzl", "image_save")
load(":store_names.bzl", "check_image_name")

def image(name = "image", *, registry = "", repository = None, tags_to_push = None, daemon = "auto", image_name = "", packages = [], tools = [], stamp_tags = "auto", visibility = None, tags = None, testonly = None, **kwargs):
    """Declares an image, and targets that push, load and save it.

    `image(name = "image")` makes `:image`, `:push`, `:load` and `:save`; any other name N makes
    `N`, `N.push`, `N.load` and `N.save`.

    Args:
        name: string, name of the image target.
        registry: string, registry to push to; empty means the embedded default.
        repository: string, repository to push to and name to load under; by default the package.
        tags_to_push: list of strings, tags to set; by default `latest`.
        daemon: string, the engine that `:load` uses; `auto` is what
            `--@lading//rules/settings:load_daemon` says, Docker by default.
        image_name: string, `<project>-<os>-<version>-<variant>`, the name that `:save` saves under;
            without it, `:save` wants `--name`.
        packages: list of strings, packages that are in the image, for `store match`.
        tools: list of strings, tools that are in the image, for `store match`.
        stamp_tags: string, whether tags know the workspace status: `stamp` of `:push` and `:load`.
        visibility: list of labels, for all targets.
        tags: list of strings, Bazel tags for all targets.
        testonly: bool, for all targets.
        **kwargs: attributes of `image_manifest`; those of every rule, such as `target_compatible_with`, are for all targets.
    """
    if misplaced_tags(kwargs):
        fail("image(name = %r): %s" % (name, misplaced_tags(kwargs)))
    common = {"tags": tags, "testonly": testonly, "visibility": visibility} | take_common(kwargs)
    prefix = "" if name == "image" else name + "."
    if type(image_name) == "string" and image_name:
        check_image_name(image_name, what = "image(name = %r), image_name" % name)
    if repository == None:
        repository = native.package_name() or native.module_name() or "image"
        if name != "image":
            repository += "/" + name
    image_manifest(name = name, **(kwargs | common))
    image_push(
        name = prefix + "push",
        image = name,
        registry = registry,
        repository = repository,
        stamp = stamp_tags,
        tag_list = tags_to_push or ["latest"],
        **common
    )
    image_load(
        name = prefix + "load",
        daemon = daemon,
        image = name,
        repository = repository,
        stamp = stamp_tags,
        tag_list = tags_to_push or ["latest"],
        **common
    )
    image_save(
        name = prefix + "save",
        image = name,
        image_name = image_name,
        packages = packages,
        tools = tools,
        **common
    )

def misplaced_tags(attributes):
    """What to say of attributes for which Bazel would propose `tags`, which tag no image.

    Args:
        attributes: dict, those of `image` that are not its own.

    Returns:
        string, empty if there are none.
    """
    for attribute in ["tag", "tag_list"]:
        if attribute in attributes:
            return "%s is an attribute of image_push and image_load. Tags of both are tags_to_push = [...] here." % attribute
    return ""

# What an index has of its own; the rest describes the images in it.
_INDEX_ATTRIBUTES = ["annotations", "annotations_file", "build_settings", "stamp", "subject"]

# Attributes of layer_from_binary that are not its binary.
_LAYER_ATTRIBUTES = [
    "compress",
    "create_parent_directories",
    "default_metadata",
    "estargz",
    "include_runfiles",
    "interpreter",
    "layer_budget",
    "path",
    "plan",
    "runfiles_path",
    "runfiles_shared_path",
    "runfiles_sharing_mode",
    "sizes",
    "soci",
    "tree_artifact_handling",
]

def image_from_binary(name, *, binary, base = None, platforms = [], kind = "auto", layers = [], visibility = None, tags = None, testonly = None, **kwargs):
    """Declares the image of a program: any `*_binary` target.

    The image starts the program at its path, with the binary's `args` and `env`, in the directory of
    its runfiles. Makes `NAME`, and `NAME.layer`, a `layer_from_binary`; for several platforms `NAME`
    is an `image_index` and `NAME.manifest` what it builds for each.

    Args:
        name: string, name of the image.
        binary: label, the program.
        base: label, the image to build on.
        platforms: list of labels, the platforms to build for; by default the one being built for.
        kind: string, `manifest`, `index`, or `auto`: an index for two platforms and more.
        layers: list of labels, layers below those of the program.
        visibility: list of labels, for all targets.
        tags: list of strings, Bazel tags for all targets.
        testonly: bool, for all targets.
        **kwargs: attributes of `layer_from_binary`, such as `compress`, `interpreter`, `layer_budget`,
            `path` and `plan`, and every attribute of `image_manifest`; those of every rule are for all targets.
    """
    if kind not in ("auto", "index", "manifest"):
        fail("image_from_binary(name = %r): kind %r is not auto, index or manifest" % (name, kind))
    if type(platforms) == "select" and kind != "index":
        fail("image_from_binary(name = %r): with a select, platforms do not say how many they are; add kind = \"index\"" % name)
    if kind == "manifest" and len(platforms) > 1:
        fail("image_from_binary(name = %r): a manifest is for one platform, and %d are given" % (name, len(platforms)))
    common = {"tags": tags, "testonly": testonly, "visibility": visibility} | take_common(kwargs)
    layer = {key: value for key, value in kwargs.items() if key in _LAYER_ATTRIBUTES}
    image = {key: value for key, value in kwargs.items() if key not in _LAYER_ATTRIBUTES}
    layer_from_binary(
        name = name + ".layer",
        binary = binary,
        **(common | layer)
    )
    is_index = kind == "index" or len(platforms) > 1
    if platforms and not is_index:
        image["platform"] = platforms[0]
    image_manifest(
        name = name + ".manifest" if is_index else name,
        base = base,
        layers = layers + [":%s.layer" % name],
        **(common | image)
    )
    if is_index:
        image_index(
            name = name,
            manifests = [":%s.manifest" % name],
            platforms = platforms,
            **(common | {key: value for key, value in image.items() if key in _INDEX_ATTRIBUTES})
        )
