"""layer_plan: dependencies that several programs have in common, in layers that they share."""

load("//rules:providers.bzl", "LayerPlanInfo")
load(":layer.bzl", "LAYER_ATTRS")
load(":runfiles.bzl", "repository_of", "runfiles_layer")
load(":weights.bzl", "SIZES_ATTR", "weigher")
load(":worker.bzl", "EXECUTION_REQUIREMENTS", "action_args")

_DOC = """Shared layers for a set of programs: `layer_from_binary(plan = …)` and `image_from_binary(plan = …)`.

Runfiles that the same programs have are in the same layer, so nothing is stored twice, and a
dependency that changes is one layer that changes. Where that gives a program more layers than
`budget`, the sets of programs that save least (how many programs, times how large the files are) give
up their layer, and each program keeps those files in its own. Where there is room, the largest
repositories get layers of their own. Layers that most programs share are lowest. Ties are broken by
name, so the plan is a function of the dependencies and of nothing else.

How large a file is, is not known in the analysis phase: without `sizes` the number of files stands for
it. The output group `sizes` is a file to check in and to load `sizes` from; only the magnitude counts, so
that a dependency that grows a little stays where it is. `sharing_report` says what a plan is worth.
"""

_ATTRS = {name: value for name, value in LAYER_ATTRS.items() if name != "file_metadata"} | {
    "binaries": attr.label_list(mandatory = True, cfg = "target", doc = "The programs: any `*_binary` targets."),
    "budget": attr.int(default = 10, doc = "Most layers of a program, its own two included: 3 to 100."),
    "sizes": SIZES_ATTR,
    "_sizes": attr.label(default = "//tools/lading/actions:repository_sizes", cfg = "exec", executable = True),
}

# What a program has beside shared layers: one for dependencies that are its alone, one for its code.
_OWN_LAYERS = 2

def _impl(ctx):
    if ctx.attr.budget <= _OWN_LAYERS or ctx.attr.budget > 100:
        fail("%s, budget: %d is not possible. Choose %d to 100." % (ctx.label, ctx.attr.budget, _OWN_LAYERS + 1))
    groups = _groups(ctx.attr.binaries)
    weigh = weigher(ctx)
    room = [ctx.attr.budget - _OWN_LAYERS for _ in ctx.attr.binaries]
    chosen = _choose(groups, room, weigh)
    _split(chosen, room, weigh)

    layers = {target.label: [] for target in ctx.attr.binaries}
    files = {}
    for group in sorted(chosen, key = lambda group: (-len(group.users), group.key)):
        # The name follows from the content, so that a new neighbour changes no action.
        name = "%s.%s" % (ctx.label.name, _stable_name(group.key))
        layer = runfiles_layer(ctx, name, group.files)
        for user in group.users:
            layers[ctx.attr.binaries[user].label].append(layer)
        files.update({file: None for file in group.files})
    blobs = {getattr(layer, "recipe", None) or layer.blob: None for listed in layers.values() for layer in listed}
    return [
        DefaultInfo(files = depset(blobs.keys())),
        LayerPlanInfo(files = files, layers = layers),
        OutputGroupInfo(sizes = depset([_sizes(ctx, groups)])),
    ]

def _sizes(ctx, groups):
    """Declares the file with sizes; made only when somebody asks for it."""
    output = ctx.actions.declare_file(ctx.label.name + ".sizes.bzl")
    files = [file for group in groups for file in group.files]
    args = action_args(ctx)
    args.add(output, format = "--output=%s")
    args.add_all(files, map_each = _size_line, expand_directories = False)
    ctx.actions.run(
        executable = ctx.executable._sizes,
        arguments = [args],
        inputs = files,
        outputs = [output],
        mnemonic = "RepositorySizes",
        progress_message = "Measuring dependencies of %{label}",
        execution_requirements = EXECUTION_REQUIREMENTS,
    )
    return output

def _size_line(file):
    return "--file=%s\t%s" % (repository_of(file), file.path)

def _groups(binaries):
    """Files by the programs that have them: struct(users, files, key), of two programs and more."""
    users = {}
    for number, target in enumerate(binaries):
        own = target[DefaultInfo].files_to_run.executable
        for file in target[DefaultInfo].default_runfiles.files.to_list():
            if file != own:
                users.setdefault(file, []).append(number)
    groups = {}
    for file, numbers in users.items():
        if len(numbers) > 1:
            groups.setdefault(tuple(numbers), []).append(file)
    return [_group(numbers, files) for numbers, files in groups.items()]

def _group(users, files):
    ordered = sorted(files, key = lambda file: file.short_path)
    return struct(files = ordered, key = ordered[0].short_path, users = users)

def _choose(groups, room, weigh):
    """The groups that become layers; takes what they use from `room`, by program."""
    chosen = []
    for group in sorted(groups, key = lambda group: (-(len(group.users) - 1) * weigh(group.files), group.key)):
        if all([room[user] > 0 for user in group.users]):
            chosen.append(group)
            for user in group.users:
                room[user] -= 1
    return chosen

def _split(chosen, room, weigh):
    """Gives the largest repositories layers of their own, as long as there is room."""
    candidates = []
    for place, group in enumerate(chosen):
        repositories = {}
        for file in group.files:
            repositories.setdefault(repository_of(file), []).append(file)
        candidates += [(-weigh(files) * len(group.users), name, place) for name, files in repositories.items()]
    for _, name, place in sorted(candidates):
        group = chosen[place]
        alone = [file for file in group.files if repository_of(file) == name]
        if len(alone) == len(group.files) or not all([room[user] > 0 for user in group.users]):
            continue
        chosen[place] = _group(group.users, [file for file in group.files if repository_of(file) != name])
        chosen.append(_group(group.users, alone))
        for user in group.users:
            room[user] -= 1

def _stable_name(key):
    # hash() of a string is that of Java, the same everywhere; without its sign it can be a file name.
    words = "".join([character if character.isalnum() else "_" for character in key.split("/")[-1].elems()])
    return "%s_%x" % (words, hash(key) % 0x100000000)

layer_plan = rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
    provides = [LayerPlanInfo],
)
