"""Programs in images: the layers of a binary with its runfiles, and how it is started."""

load("//rules:providers.bzl", "LayerPlanInfo", "LayersInfo", "ProgramInfo")
load("//tools/program:runfiles.bzl", "runfiles_path")
load(":labels.bzl", "label_text")
load(":layer.bzl", "PLANNED_LAYER_ATTRS", "layer_action")
load(":layer_providers.bzl", "layer_file")
load(":paths.bzl", "image_path")
load(":runfiles.bzl", "RUNFILES", "add_runfiles", "layer_info", "runfiles_layer")
load(":sources.bzl", "add_file", "add_runfiles_links")
load(":splitting.bzl", "split_runfiles")
load(":weights.bzl", "SIZES_ATTR", "weigher")
load(":worker.bzl", "action_args")

BinaryInfo = provider(
    doc = "What a `*_binary` target says about running it.",
    fields = {
        "args": "list of strings.",
        "env": "dict of string to string.",
    },
)

def _binary_aspect_impl(target, ctx):
    attributes = ctx.rule.attr
    data = getattr(attributes, "data", [])
    args = []
    for arg in getattr(attributes, "args", []):
        args += _words(ctx.expand_location(arg, data) if "$(" in arg else arg)
    if RunEnvironmentInfo in target:
        env = target[RunEnvironmentInfo].environment
    else:
        env = getattr(attributes, "env", {})
        env = env if type(env) == "dict" else {}
    env = {name: ctx.expand_location(value, data) if "$(" in value else value for name, value in env.items()}
    return [BinaryInfo(args = args, env = env)]

def _words(text):
    """Splits as a shell does, as far as quotes and blanks go: Bazel does the same with `args`."""
    words = []
    word, quote, seen = "", "", False
    for character in text.elems():
        if quote:
            if character == quote:
                quote = ""
            else:
                word += character
        elif character in "'\"":
            quote, seen = character, True
        elif character in " \t\n":
            if word or seen:
                words.append(word)
            word, seen = "", False
        else:
            word += character
    return words + ([word] if word or seen else [])

binary_aspect = aspect(
    implementation = _binary_aspect_impl,
    doc = "Reads `args` and `env` of a binary.",
)

_DOC = """The layers of a binary: its interpreter lowest, then what other repositories bring, then its own code.

The program is at `path`. Its runfiles are below `/runfiles`, where `PATH.runfiles` points to, so that
programs with the same dependencies share the layers that hold them; with `runfiles_sharing_mode = "private"`
they are in `PATH.runfiles` itself. With a `plan` dependencies that
other programs have too are in the layers of the plan.

An `image_manifest` with it among its layers starts the program with its `args` and `env`, in its runfiles.
"""

_ATTRS = PLANNED_LAYER_ATTRS | {
    "binary": attr.label(
        mandatory = True,
        executable = True,
        cfg = "target",
        aspects = [binary_aspect],
        doc = "The program: any `*_binary` target.",
    ),
    "include_runfiles": attr.bool(default = True, doc = "Whether the runfiles come along. A static binary needs none."),
    "interpreter": attr.string_list(doc = "Words before the program's path in the entrypoint: `[\"/usr/bin/python3\"]`, where the image has no `/usr/bin/env`."),
    "layer_budget": attr.int(
        default = 4,
        doc = """Most layers. One is for the program's own code, one for an interpreter among the runfiles, and the others for
the repositories that dependencies come from: those that weigh most each in one of its own, the rest together; 1 puts
everything into one layer, 0 is as much as 100. With a `plan`, its budget counts.""",
    ),
    "path": attr.string(doc = "Path of the program in the image; with a `/` at its end, the directory. By default below the name of its repository and package."),
    "plan": attr.label(providers = [LayerPlanInfo], doc = "A `layer_plan` that lists the binary."),
    "runfiles_path": attr.string(doc = "Where the program looks for its runfiles; by default `PATH.runfiles`."),
    "runfiles_shared_path": attr.string(doc = "The directory that shared runfiles are in; by default `/runfiles`."),
    "runfiles_sharing_mode": attr.string(
        default = "auto",
        values = ["auto", "private", "shared"],
        doc = """`shared`, and so `auto`: runfiles are in the shared directory, and `runfiles_path` is a symbolic link to it.
`private`: they are at `runfiles_path` itself, apart from those of other programs.""",
    ),
    "sizes": SIZES_ATTR,
}

def _impl(ctx):
    what = "%s, path" % label_text(ctx.label)
    executable = ctx.executable.binary
    info = ctx.attr.binary[DefaultInfo]
    given = ctx.attr.path or "/" + runfiles_path(executable, ctx.workspace_name)
    if given.endswith("/"):
        given += executable.basename
    path = image_path(given, what = what)
    budget = ctx.attr.layer_budget or 100
    if budget < 1 or budget > 100:
        fail("%s, layer_budget: %d is not possible. Choose 1 to 100." % (label_text(ctx.label), budget))

    link, root = _runfiles_paths(ctx, path)
    layers = []
    files = []
    if ctx.attr.include_runfiles:
        files = [file for file in info.default_runfiles.files.to_list() if file != executable]
    if ctx.attr.plan:
        if root != RUNFILES:
            fail("%s, plan: layers that programs share hold runfiles at %s, not at %s. Remove runfiles_sharing_mode and runfiles_shared_path, or plan." % (label_text(ctx.label), RUNFILES, root))
        plan = ctx.attr.plan[LayerPlanInfo]
        if ctx.attr.binary.label not in plan.layers:
            fail("%s, plan: %s does not list %s. Add it to its binaries." % (label_text(ctx.label), label_text(ctx.attr.plan.label), label_text(ctx.attr.binary.label)))
        layers += plan.layers[ctx.attr.binary.label] if files else []
        files = [file for file in files if file not in plan.files]
        groups = split_runfiles(files, 1, weigher(ctx))
    else:
        groups = split_runfiles(files, budget - 1, weigher(ctx))
    if groups:
        own = {file: None for group in groups for file in group}
        files = [file for file in files if file not in own]
        layers += [runfiles_layer(ctx, "%s.%d" % (ctx.label.name, number), group, root) for number, group in enumerate(groups)]
    layers.append(_own_layer(ctx, path, info, files, link, root))

    blobs = [layer_file(layer) for layer in layers]
    binary = ctx.attr.binary[BinaryInfo]
    return [
        DefaultInfo(files = depset(blobs)),
        LayersInfo(layers = layers),
        ProgramInfo(
            cmd = binary.args,
            entrypoint = ctx.attr.interpreter + [path],
            env = binary.env,
            working_dir = "%s/%s" % (link, ctx.workspace_name) if ctx.attr.include_runfiles else "",
        ),
        OutputGroupInfo(
            layer = depset([layer.blob for layer in layers]),
            metadata = depset([layer.metadata for layer in layers]),
            mtree = depset([layer.mtree for layer in layers]),
        ),
    ]

def _runfiles_paths(ctx, path):
    """Where the program looks for its runfiles, and where they are; the same when they are private."""
    link = image_path(ctx.attr.runfiles_path or path + ".runfiles", what = "%s, runfiles_path" % label_text(ctx.label))
    if ctx.attr.runfiles_sharing_mode == "private":
        if ctx.attr.runfiles_shared_path:
            fail("%s, runfiles_shared_path: runfiles_sharing_mode is private, so nothing is shared. Remove one of them." % label_text(ctx.label))
        return link, link
    return link, image_path(ctx.attr.runfiles_shared_path or RUNFILES, what = "%s, runfiles_shared_path" % label_text(ctx.label))

def _own_layer(ctx, path, info, files, link, root):
    args = action_args(ctx)
    executable = ctx.executable.binary
    add_file(args, executable, path)
    inputs = [executable] + files
    if ctx.attr.include_runfiles:
        workspace_name = ctx.workspace_name
        if link != root:
            args.add("L\t%s\t%s" % (link, root))
        args.add("D\t%s/%s" % (root, workspace_name))
        add_runfiles(args, files, workspace_name, root)

        # The program itself among its runfiles, where $(rlocationpath) of it points to.
        own = "%s/%s" % (root, runfiles_path(executable, workspace_name))
        if executable in info.default_runfiles.files.to_list():
            add_file(args, executable, own)

        inputs += add_runfiles_links(args, info, root, workspace_name)
    return layer_info(layer_action(ctx, args, depset(inputs), name = ctx.label.name + ".own"))

layer_from_binary = rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
    provides = [LayersInfo, ProgramInfo],
)
