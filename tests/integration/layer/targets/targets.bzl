"""Rules that make what layers are made of: directories, and programs with unusual runfiles."""

def _tree_impl(ctx):
    tree = ctx.actions.declare_directory(ctx.label.name)
    ctx.actions.run_shell(
        outputs = [tree],
        command = """set -e
mkdir -p "$1/data" "$1/empty/inner"
cd "$1"
echo content > data/file
cp data/file data/same
case $2 in
kept)
    ln -s data/file link
    ln -s data directory
    ;;
followed)
    cp data/file link
    cp -R data directory
    ;;
esac
""",
        arguments = [tree.path, ctx.attr.links],
        # From a cache, a directory comes with what its links point to.
        execution_requirements = {"no-cache": ""} if ctx.attr.links == "kept" else {},
    )
    return [DefaultInfo(files = depset([tree]))]

tree = rule(
    implementation = _tree_impl,
    attrs = {"links": attr.string(
        default = "kept",
        values = ["followed", "kept", "none"],
    )},
    doc = "A directory with files, links and directories without files.",
)

def _program_impl(ctx):
    executable = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.write(executable, "#!/bin/sh\n", is_executable = True)
    sidecar = ctx.actions.declare_file(ctx.label.name + ".sidecar")
    ctx.actions.write(sidecar, "sidecar\n")
    return [DefaultInfo(
        executable = executable,
        files = depset([executable, sidecar]),
        runfiles = ctx.runfiles(
            files = ctx.files.data,
            root_symlinks = {"at/the/root": ctx.file.target},
            symlinks = {"in/the/workspace": ctx.file.target},
        ),
    )]

program = rule(
    implementation = _program_impl,
    attrs = {
        "data": attr.label_list(allow_files = True),
        "target": attr.label(allow_single_file = True),
    },
    doc = "A program whose runfiles have links in both places.",
    executable = True,
)

def _several_impl(ctx):
    files = [ctx.actions.declare_file("%s/%s" % (ctx.label.name, name)) for name in ("one", "deep/two")]
    for file in files:
        ctx.actions.write(file, file.basename)
    return [DefaultInfo(files = depset(files))]

several = rule(
    implementation = _several_impl,
    doc = "Two files, one of them deeper than the other.",
)
