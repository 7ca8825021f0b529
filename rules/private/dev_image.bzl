"""dev_image(): a development image of a repository, from a template or a Dockerfile."""

load(":common.bzl", "take_common")
load(":dockerfile.bzl", "dockerfile_image")
load(":file_metadata.bzl", "file_metadata")
load(":image.bzl", "image")
load(":layer.bzl", "image_layer")
load(":nearest.bzl", "nearest")
load(":python_layer.bzl", "python_layer")
load(":repository_layer.bzl", "repository_layer")

TEMPLATES = ["minimal", "nodejs", "nodejs_browser", "python"]

# What tools/workspace_status.py says: the commit, and whether the files are no longer those of it.
_COMMIT_TAG = "{{.STABLE_GIT_COMMIT}}{{if .STABLE_GIT_MODIFIED}}-modified{{end}}"

# Where the template python looks for packages that are not Debian's.
_PYTHON_PACKAGES = "/usr/local/lib/python3.13/dist-packages"

_NONROOT = "65532:65532"
_ROOT = "0:0"

# What a custom folder has to hold; the second is where it is in the image.
_DOCKERFILE = "Dockerfile"
_ENTRYPOINT = "entrypoint.sh"

def dev_image(
        name = "dev",
        *,
        srcs = [],
        template = "",
        shell = True,
        custom = "",
        custom_attributes = {},
        dependencies = [],
        python_deps = [],
        layers = [],
        working_dir = "/workspace",
        owner = "",
        tags_to_push = [_COMMIT_TAG],
        visibility = None,
        tags = None,
        testonly = None,
        **kwargs):
    """Declares an image of a repository to develop in: a template, dependencies, and the code.

    Makes what `image` makes: `NAME`, `NAME.push`, `NAME.load` and `NAME.save`. Dependencies are
    layers of their own below the code, so a change of the code rebuilds and pushes one layer, by
    Bazel's actions alone: no engine is asked.

    Args:
        name: string.
        srcs: list of labels, the files of the repository. They are at `working_dir`, relative to the
            package that calls this.
        template: string, `minimal`, `nodejs`, `nodejs_browser` or `python`, or the label of an image.
        shell: bool, whether the template is the one with busybox, `NAME_debug`: a shell and the usual
            tools. An image that is named by its label is taken as it is.
        custom: string, a folder below the package with `Dockerfile` and `entrypoint.sh`, in place of a
            template, also of one that is set. `dockerfile_image` builds it; the folder is the context,
            and the script is the entrypoint, at `/entrypoint.sh`.
        custom_attributes: dict, attributes of that `dockerfile_image`, such as `bases` and `network`.
        dependencies: list of labels, what the code needs and a rule has installed, such as the
            `node_modules` of npm. Laid out as `srcs` are.
        python_deps: list of labels, Python libraries such as `@pypi//flask`; with all that they need
            they go where the template `python` finds packages.
        layers: list of labels, layers between the template and the dependencies: Debian packages,
            what a command has installed.
        working_dir: string, where the code is and commands start.
        owner: string, `uid:gid` of code and dependencies; by default the user of the templates,
            65532:65532, and root with `custom`.
        tags_to_push: list of strings, tags to push and to load under; by default the commit, which
            `--workspace_status_command` has to tell (docs/dev_image.md).
        visibility: list of labels, for all targets.
        tags: list of strings, Bazel tags for all targets.
        testonly: bool, for all targets.
        **kwargs: attributes of `image`; those of every rule, such as `target_compatible_with`, are for all targets.
    """
    what = "dev_image(name = %r)" % name
    common = {"tags": tags, "testonly": testonly, "visibility": visibility} | take_common(kwargs)
    metadata = {"default_metadata": _owned(owner or (_ROOT if custom else _NONROOT), what = what)}
    for key in ["base", "workdir"]:
        if key in kwargs:
            fail("%s: %s is %s here." % (what, key, {"base": "template", "workdir": "working_dir"}[key]))
    built = list(layers)
    if custom:
        base = ":%s.custom" % name
        _custom(name, custom, custom_attributes, common, what = what)
        built.append(":%s.entrypoint" % name)
        kwargs = {"entrypoint": ["/" + _ENTRYPOINT]} | kwargs
    elif custom_attributes:
        fail("%s: custom_attributes are set and custom is not. Name the folder." % what)
    else:
        base = _template(template, shell, what = what)
    if python_deps:
        python_layer(
            name = name + ".python_deps",
            deps = python_deps,
            include = "third_party",
            include_native = True,
            prefix = _PYTHON_PACKAGES,
            **common
        )
        built.append(":%s.python_deps" % name)
    for part, targets in {"dependencies": dependencies, "code": srcs}.items():
        # A select is true; its branches are not known here.
        if targets or part == "code":
            repository_layer(
                name = "%s.%s" % (name, part),
                srcs = targets,
                prefix = working_dir,
                **(common | metadata)
            )
            built.append(":%s.%s" % (name, part))
    image(
        name = name,
        base = base,
        layers = built,
        stamp_tags = "force",
        tags_to_push = tags_to_push,
        working_dir = working_dir,
        **(common | kwargs)
    )

def _custom(name, folder, attributes, common, *, what):
    """Declares the image of a custom folder, and the layer with its entrypoint."""
    folder = folder.rstrip("/")
    found = native.glob([folder + "/**"], allow_empty = True)
    for file in [_DOCKERFILE, _ENTRYPOINT]:
        if "%s/%s" % (folder, file) not in found:
            fail("%s: custom: there is no %s/%s below this package. A custom folder has %s and %s, and no BUILD file." % (
                what,
                folder,
                file,
                _DOCKERFILE,
                _ENTRYPOINT,
            ))
    dockerfile_image(
        name = name + ".custom",
        dockerfile = "%s/%s" % (folder, _DOCKERFILE),
        files = {path[len(folder) + 1:]: path for path in found} | attributes.get("files", {}),
        **(common | {key: value for key, value in attributes.items() if key != "files"})
    )
    image_layer(
        name = name + ".entrypoint",
        srcs = {"/" + _ENTRYPOINT: "%s/%s" % (folder, _ENTRYPOINT)},
        **common
    )

def _template(template, shell, *, what):
    """The label of a template."""
    if not template:
        fail("%s has neither a template nor a custom folder. Set template to one of %s, or to the label of an image." % (
            what,
            ", ".join(TEMPLATES),
        ))
    if template in TEMPLATES:
        return Label("//images:" + template + ("_debug" if shell else ""))
    if ":" in template or template.startswith(("//", "@")):
        return template
    near = nearest(template, TEMPLATES)
    fail("%s: there is no template %r. %sTemplates are %s." % (
        what,
        template,
        "Did you mean %r? " % near if near else "",
        ", ".join(TEMPLATES),
    ))

def _owned(owner, *, what):
    uid, colon, gid = owner.partition(":")
    if not colon or not uid.isdigit() or not gid.isdigit():
        fail("%s: owner %r is not uid:gid. Write numbers, such as %s." % (what, owner, _NONROOT))
    return file_metadata(gid = int(gid), uid = int(uid))
