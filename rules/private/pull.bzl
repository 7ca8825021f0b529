"""pull: a base image from a registry, as a repository."""

load(":host_python.bzl", "run_tool")
load(":labels.bzl", "apparent_name")
load(":names.bzl", "is_digest", "repository_error", "tag_error")

_DOC = """A base image from a registry, pinned by its digest.

    pull = use_repo_rule("@lading//rules:pull.bzl", "pull")
    pull(
        name = "debian",
        digest = "sha256:...",
        registry = "registry.example.com",
        repository = "library/debian",
    )

`@debian` is then a base for `image_manifest`. Only manifests and configs are fetched: a layer is
fetched where an image is pushed or loaded, if the receiver does not have it already. Credentials
are those of Docker, Podman and their helpers.
"""

# What both the rule and the tag class of the extension take.
PULL_ATTRS = {
    "credential_helper": attr.string(doc = "A Bazel credential helper that knows the registry, asked before Docker's and Podman's files."),
    "digest": attr.string(doc = "Digest of the manifest or index, `sha256:...`."),
    "docker_config_path": attr.string(doc = "File with credentials, in the form of Docker's `config.json`."),
    "layer_handling": attr.string(
        default = "shallow",
        values = ["eager", "lazy", "shallow"],
        doc = """When layers are fetched: `shallow`, when an image is pushed or loaded; `eager`, together with the manifest;
`lazy`, by a build action that needs them, which takes the network.""",
    ),
    "registries": attr.string_list(doc = "Mirrors, asked in order before `registry`."),
    "registry": attr.string(doc = "Registry, `host` or `host:port`."),
    "repository": attr.string(mandatory = True, doc = "Repository in the registry: `library/debian`."),
    "tag": attr.string(doc = "Tag that the digest was taken from. Alone, it does not pin the image."),
    "unsafe_allow_tag_without_digest": attr.bool(doc = "Whether a tag alone will do. The build is then not reproducible."),
}

_ATTRS = PULL_ATTRS | {
    "apparent_name": attr.string(doc = "Name of the target that stands for the image; by default the repository's."),
    "downloader": attr.string(default = "lading", values = ["bazel", "img_tool", "lading"], doc = "Without effect: lading always downloads by itself."),
    "pin_command": attr.string(doc = "The command that pins the image, for a message."),
}

_HEADER = """\
# {reference}
load("{imported}", "imported_index", "imported_manifest")

package(default_visibility = ["//visibility:public"])

exports_files(glob(["blobs/*"]))
"""

_MANIFEST = """
imported_manifest(
    name = {name},
    architecture = {architecture},
    blobs = {blobs},
    config = {config},
    descriptor = {descriptor},
    digest = {digest},
    layers = {layers},
    lazy = {lazy},
    manifest = {manifest},
    os = {os},
    sources = {sources},
    variant = {variant},
)
"""

_INDEX = """
imported_index(
    name = "image",
    descriptor = "root.descriptor.json",
    digest = "root.digest",
    index = {index},
    manifests = {manifests},
)
"""

_ALIAS = """
alias(
    name = {name},
    actual = {actual},
)
"""

def _impl(rctx):
    _check(rctx)
    digest = rctx.attr.digest
    if not digest:
        digest = _run(rctx, ["--tag=" + rctx.attr.tag])["digest"]
        if not rctx.attr.unsafe_allow_tag_without_digest:
            fail(_unpinned(rctx, digest))

    # The tool makes files only where it is told to; the directory is Bazel's to make.
    rctx.file("blobs/.keep", "")
    pulled = _run(rctx, [
        "--digest=" + digest,
        "--output=" + str(rctx.path("blobs")),
        "--layers=" + ("1" if rctx.attr.layer_handling == "eager" else "0"),
    ])
    rctx.delete("blobs/.keep")
    rctx.file("BUILD.bazel", _build(rctx, pulled), executable = False)

def _check(rctx):
    what = "pull(name = %r)" % _apparent_name(rctx)
    if not rctx.attr.registry and not rctx.attr.registries:
        fail("%s: registry is empty\n  name the registry, host or host:port: lading assumes none" % what)
    error = repository_error(rctx.attr.repository)
    if error:
        fail("%s: repository %r %s" % (what, rctx.attr.repository, error))
    if rctx.attr.tag and tag_error(rctx.attr.tag):
        fail("%s: tag %r %s" % (what, rctx.attr.tag, tag_error(rctx.attr.tag)))
    digest = rctx.attr.digest
    if digest and not is_digest(digest):
        fail("%s: digest %r is none\n  a digest is sha256: and 64 lowercase hex digits" % (what, digest))
    if not digest and not rctx.attr.tag:
        fail("%s: neither digest nor tag is given\n  give a digest, or a tag to be told its digest" % what)

def _unpinned(rctx, digest):
    name = _apparent_name(rctx)
    return "%s/%s:%s is not pinned: a tag can move\n  it is %s now; to pin that, run: %s" % (
        _registries(rctx)[-1],
        rctx.attr.repository,
        rctx.attr.tag,
        digest,
        rctx.attr.pin_command or "buildozer 'set digest \"%s\"' //MODULE.bazel:%s" % (digest, name),
    )

def _registries(rctx):
    return rctx.attr.registries + ([rctx.attr.registry] if rctx.attr.registry else [])

def _run(rctx, arguments):
    command = ["--registry=" + registry for registry in _registries(rctx)]
    command.append("--repository=" + rctx.attr.repository)
    if rctx.attr.credential_helper:
        command.append("--credential_helper=" + rctx.attr.credential_helper)
    environment = {}
    if rctx.attr.docker_config_path:
        environment["REGISTRY_AUTH_FILE"] = rctx.attr.docker_config_path
    return json.decode(run_tool(rctx, "lading.actions.pull", command + arguments, environment = environment))

def _build(rctx, pulled):
    root = pulled["root"]
    manifests = pulled["manifests"]
    reference = "%s/%s" % (_registries(rctx)[-1], rctx.attr.repository)
    parts = [_HEADER.format(
        imported = str(Label("//rules/private:imported.bzl")),
        reference = reference + (":" + rctx.attr.tag if rctx.attr.tag else "") + "@" + root["digest"],
    )]
    is_index = "image.index." in root["mediaType"] or "manifest.list." in root["mediaType"]
    names = []
    for number, manifest in enumerate(manifests):
        name = "image" if not is_index else _target_name(manifest["platform"], number)
        if name in names:
            name += "_%d" % number
        names.append(name)
        parts.append(_manifest(rctx, name, manifest))
    if is_index:
        rctx.file("root.descriptor.json", json.encode(root), executable = False)
        rctx.file("root.digest", root["digest"], executable = False)
        parts.append(_INDEX.format(
            index = repr("blobs/" + _hex(root["digest"])),
            manifests = repr([":" + name for name in names]),
        ))
    if _apparent_name(rctx) != "image" and _apparent_name(rctx) not in names:
        parts.append(_ALIAS.format(actual = '":image"', name = repr(_apparent_name(rctx))))
    return "".join(parts)

def _manifest(rctx, name, manifest):
    digest = manifest["descriptor"]["digest"]
    rctx.file(name + "/descriptor.json", json.encode(manifest["descriptor"]), executable = False)
    rctx.file(name + "/digest", digest, executable = False)
    layers = {}
    for number, layer in enumerate(manifest["layers"]):
        path = "%s/layer%d.json" % (name, number)
        rctx.file(path, json.encode(layer), executable = False)
        layers[path] = "%s %d %s" % (layer["digest"], layer["size"], layer["mediaType"])
    blobs = []
    if rctx.attr.layer_handling == "eager":
        blobs = sorted({"blobs/" + _hex(layer["digest"]): None for layer in manifest["layers"]}.keys())
    return _MANIFEST.format(
        architecture = repr(manifest["platform"]["architecture"]),
        blobs = repr(blobs),
        config = repr("blobs/" + manifest["config"]),
        descriptor = repr(name + "/descriptor.json"),
        digest = repr(name + "/digest"),
        layers = repr(layers),
        lazy = rctx.attr.layer_handling == "lazy",
        manifest = repr("blobs/" + _hex(digest)),
        name = repr(name),
        os = repr(manifest["platform"]["os"]),
        sources = repr(["%s/%s" % (registry, rctx.attr.repository) for registry in _registries(rctx)]),
        variant = repr(manifest["platform"]["variant"]),
    )

def _target_name(platform, number):
    words = [platform[key] for key in ("os", "architecture", "variant") if platform[key]]
    return "_".join(words) or "manifest_%d" % number

def _hex(digest):
    return digest.partition(":")[2]

def _apparent_name(rctx):
    return rctx.attr.apparent_name or apparent_name(rctx)

pull = repository_rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
    environ = ["DOCKER_CONFIG", "LADING_PYTHON", "LADING_REALMS", "REGISTRY_AUTH_FILE"],
)
