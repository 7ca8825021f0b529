"""images: the module extension that pulls base images, pinned by attribute or by a lock file."""

load(":pull.bzl", "PULL_ATTRS", "pull")

_FORMAT = 1
_HUBS = ["lading_images", "rules_img_images.bzl"]

_DOC = """Base images by name.

    images = use_extension("@lading//rules:extensions.bzl", "images")
    images.settings(lock = "//:images.lock.json")
    images.pull(
        name = "debian",
        registry = "registry.example.com",
        repository = "library/debian",
        tag = "trixie",
    )
    use_repo(images, "debian")

`bazel run @lading//tools:lock` writes the digests of tags into the lock file, to be checked in; a
`digest` here wins over it. Without `use_repo` for every image, `image("debian")` of
`@lading_images//:images.bzl` is the label; an image without a name has its repository's.
"""

_PULL = tag_class(
    attrs = PULL_ATTRS | {"name": attr.string(doc = "Name of the repository.")},
    doc = "One base image.",
)

_SETTINGS = tag_class(
    attrs = {
        "downloader": attr.string(doc = "Without effect: lading always downloads by itself."),
        "hub_repo": attr.string(doc = "Without effect: the hub costs nothing where nobody loads it."),
        "image_repos": attr.string(doc = "Without effect: images are always repositories."),
        "lock": attr.label(doc = "The lock file; the root module's counts."),
    },
    doc = "Settings of all images.",
)

def _impl(mctx):
    lock_label, digests = _read_lock(mctx)
    repositories = {}
    requests = []
    for module in mctx.modules:
        for tag in module.tags.pull:
            key = tag.name or tag.repository
            request = _request(tag)
            if key in repositories:
                # The root module comes first, and its choice counts for all.
                if repositories[key].digest != tag.digest and not repositories[key].root:
                    fail("images.pull(name = %r) of the module %s differs from that of another module\n  use another name in one of them" % (key, module.name))
                continue
            repository = _repository_name(key)
            repositories[key] = struct(name = repository, digest = tag.digest, root = module.is_root)
            if not tag.digest:
                requests.append(request)
            pull(
                name = repository,
                apparent_name = tag.name or repository,
                credential_helper = tag.credential_helper,
                digest = tag.digest or digests.get(request, ""),
                docker_config_path = tag.docker_config_path,
                layer_handling = tag.layer_handling,
                pin_command = "bazel run @lading//tools:lock" if lock_label else "",
                registries = tag.registries,
                registry = tag.registry,
                repository = tag.repository,
                tag = tag.tag,
                unsafe_allow_tag_without_digest = tag.unsafe_allow_tag_without_digest,
            )
    names = {key: repository.name for key, repository in repositories.items()}
    for hub in _HUBS:
        _images_hub(name = hub, images = names, lock = lock_label, requests = requests)
    return mctx.extension_metadata(reproducible = not any([
        tag.unsafe_allow_tag_without_digest
        for module in mctx.modules
        for tag in module.tags.pull
    ]))

def _request(tag):
    """What an image is known by in the lock file: the places to ask, and the tag."""
    registries = tag.registries + ([tag.registry] if tag.registry else [])
    return "%s/%s:%s" % (registries[-1] if registries else "", tag.repository, tag.tag)

def _repository_name(key):
    return "".join([character if character.isalnum() or character in "_-." else "_" for character in key.elems()])

def _read_lock(mctx):
    for module in mctx.modules:
        for tag in module.tags.settings:
            if not module.is_root or not tag.lock:
                continue
            label = "//%s:%s" % (tag.lock.package, tag.lock.name)
            path = mctx.path(tag.lock)
            lock = json.decode(mctx.read(path), default = None) if path.exists else {}
            if type(lock) != "dict" or lock.get("format", _FORMAT) != _FORMAT:
                fail("%s is not a lock of images in format %d\n  remove it, and run: bazel run @lading//tools:lock" % (label, _FORMAT))
            return label, lock.get("images", {})
    return "", {}

def _images_hub_impl(rctx):
    # By the names that repositories of one extension have among themselves, so that `override_repo` counts.
    text = _HUB.format(labels = json.encode_indent(
        {key: "@%s//:image" % name for key, name in rctx.attr.images.items()},
        indent = "    ",
    ))
    for name in ("images.bzl", "rules_img_images.bzl"):
        rctx.file(name, text, executable = False)
    rctx.file("requests.json", json.encode({"lock": rctx.attr.lock, "requests": rctx.attr.requests}), executable = False)
    rctx.file("BUILD.bazel", "exports_files([\"images.bzl\", \"requests.json\", \"rules_img_images.bzl\"])\n", executable = False)

_HUB = """\
\"\"\"The images that modules pull.\"\"\"

_LABELS = {labels}

def image(name):
    \"\"\"The label of a pulled image.

    Args:
        name: string, the name or the repository that it was pulled by.

    Returns:
        Label.
    \"\"\"
    if name not in _LABELS:
        fail("no image %r is pulled; there are %s" % (name, ", ".join(sorted(_LABELS)) or "none"))
    return Label(_LABELS[name])
"""

_images_hub = repository_rule(
    implementation = _images_hub_impl,
    attrs = {
        "images": attr.string_dict(doc = "Name or repository to repository."),
        "lock": attr.string(doc = "The lock file's label in the root module."),
        "requests": attr.string_list(doc = "Tags that the lock file pins."),
    },
    doc = "Labels of all images, and what the lock file has to hold.",
)

images = module_extension(
    implementation = _impl,
    doc = _DOC,
    tag_classes = {"pull": _PULL, "settings": _SETTINGS},
)
