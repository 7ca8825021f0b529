"""layer_plan: dependencies that several programs have in common, in layers that they share."""

load("//rules:providers.bzl", "LayerPlanInfo")
load(":labels.bzl", "label_text")
load(":layer.bzl", "PLANNED_LAYER_ATTRS")
load(":layer_providers.bzl", "layer_file")
load(":runfiles.bzl", "repository_of", "runfiles_layer")
load(":sharing_plan.bzl", "plan_layers")
load(":weights.bzl", "SIZES_ATTR", "measurer")
load(":worker.bzl", "EXECUTION_REQUIREMENTS", "action_args")

_DOC = """Shared layers for a set of programs: `layer_from_binary(plan = ...)` and `image_from_binary(plan = ...)`.

Runfiles that the same programs have are in the same layer, so nothing is stored twice, and a
dependency that changes is one layer that changes. What changes as one is an atom, and never split: the
files of a repository that the same programs have, and each of `groups`. Where that gives a program
more layers than `budget`, the sets of programs that save least (how many programs, times how large the files are) give
up their layer, and each program keeps those files in its own. Where there is room, the largest
repositories get layers of their own. Layers that most programs share are lowest. Ties are broken by
name, so the plan is a function of the dependencies and of nothing else.

How large a file is, is not known in the analysis phase: without `sizes` the number of files stands for
it. The output group `sizes` is a file to check in and to load `sizes` from; only the magnitude counts, so
that a dependency that grows a little stays where it is. `sharing_report` says what a plan is worth.
"""

_ATTRS = PLANNED_LAYER_ATTRS | {
    "binaries": attr.label_list(mandatory = True, cfg = "target", doc = "The programs: any `*_binary` targets."),
    "budget": attr.int(default = 10, doc = "Most layers of a program, its own two included: 3 to 100."),
    "groups": attr.label_list(
        allow_files = True,
        doc = """Targets whose files lie in one layer together: those of a package, or of a closure. Of a group that a program needs
one file of, it gets all that any of `binaries` needs. A file belongs to one group at most.""",
    ),
    "sizes": SIZES_ATTR,
    "_sizes": attr.label(default = "//tools/lading/actions:repository_sizes_program", cfg = "exec", executable = True),
}

# What a program has beside shared layers: one for dependencies that are its alone, one for its code.
_OWN_LAYERS = 2

def _impl(ctx):
    if ctx.attr.budget <= _OWN_LAYERS or ctx.attr.budget > 100:
        fail("%s, budget: %d is not possible. Choose %d to 100." % (label_text(ctx.label), ctx.attr.budget, _OWN_LAYERS + 1))
    atoms = _atoms(ctx)
    measure = measurer(ctx)
    room = [ctx.attr.budget - _OWN_LAYERS for _ in ctx.attr.binaries]
    plan = plan_layers(
        [{"name": name, "size": measure(atom.files), "users": atom.users} for name, atom in atoms.items()],
        room,
    )
    layers = {target.label: [] for target in ctx.attr.binaries}
    files = {}
    for planned in plan:
        members = sorted([file for name in planned["names"] for file in atoms[name].files], key = lambda file: file.short_path)

        # The name follows from the content, so that a new neighbour changes no action.
        name = "%s.%s" % (ctx.label.name, _stable_name(members[0].short_path))
        layer = runfiles_layer(ctx, name, members)
        for user in planned["users"]:
            layers[ctx.attr.binaries[user].label].append(layer)
        files.update({file: None for file in members})
    blobs = {layer_file(layer): None for listed in layers.values() for layer in listed}
    return [
        DefaultInfo(files = depset(blobs.keys())),
        LayerPlanInfo(files = files, layers = layers),
        OutputGroupInfo(sizes = depset([_sizes(ctx, atoms.values())])),
    ]

def _sizes(ctx, atoms):
    """Declares the file with sizes; made only when somebody asks for it."""
    output = ctx.actions.declare_file(ctx.label.name + ".sizes.bzl")
    files = [file for atom in atoms for file in atom.files]
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

def _atoms(ctx):
    """Name to struct(files, users): what two programs and more have and what changes as one."""
    group_of = {}
    for target in ctx.attr.groups:
        for file in target[DefaultInfo].files.to_list():
            if group_of.setdefault(file, target.label) != target.label:
                fail("%s, groups: %s is in %s and in %s. Name it in one of them." % (label_text(ctx.label), file.short_path, label_text(group_of[file]), label_text(target.label)))
    users = {}
    for number, target in enumerate(ctx.attr.binaries):
        own = target[DefaultInfo].files_to_run.executable
        for file in target[DefaultInfo].default_runfiles.files.to_list():
            if file != own:
                users.setdefault(file, []).append(number)
    groups = {}
    for file, numbers in users.items():
        if file in group_of:
            groups.setdefault(group_of[file], {}).update({number: None for number in numbers})
    atoms = {}
    for file, numbers in users.items():
        if file in group_of:
            numbers = sorted(groups[group_of[file]])
            name = str(group_of[file])
        else:
            # Files of one repository that different programs have are apart.
            name = "%s %s" % (repository_of(file), ",".join([str(number) for number in numbers]))
        if len(numbers) > 1:
            atoms.setdefault(name, struct(files = [], users = numbers)).files.append(file)

    # Neither the order of programs nor that of their files has a say in how an atom is called.
    return {_first(atom.files): atom for atom in atoms.values()}

def _first(files):
    return sorted([file.short_path for file in files])[0]

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
