"""image(): one call for an image and everything a team does with it."""

load(":load.bzl", "image_load")
load(":manifest.bzl", "image_manifest")
load(":push.bzl", "image_push")

def image(name = "image", *, registry = "", repository = None, tags_to_push = None, daemon = "docker", visibility = None, tags = None, testonly = None, **kwargs):
    """Declares an image, and targets that push and load it.

    `image(name = "image")` makes `:image`, `:push` and `:load`; any other name N makes `N`,
    `N.push` and `N.load`.

    Args:
        name: string, name of the image target.
        registry: string, registry to push to; empty means the embedded default.
        repository: string, repository to push to and name to load under; by default the package.
        tags_to_push: list of strings, tags to set; by default `latest`.
        daemon: string, the engine that `:load` uses.
        visibility: list of labels, for all targets.
        tags: list of strings, Bazel tags for all targets.
        testonly: bool, for all targets.
        **kwargs: attributes of `image_manifest`.
    """
    common = {"tags": tags, "testonly": testonly, "visibility": visibility}
    prefix = "" if name == "image" else name + "."
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
        tag_list = tags_to_push or ["latest"],
        **common
    )
    image_load(
        name = prefix + "load",
        daemon = daemon,
        image = name,
        repository = repository,
        tag_list = tags_to_push or ["latest"],
        **common
    )
