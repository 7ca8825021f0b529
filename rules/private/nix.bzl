"""nix_image: store paths of Nix, in the layers that nix_closure planned, as an image."""

load("//rules:providers.bzl", "LayerInfo", "LayersInfo", "NixClosureInfo", "ProgramInfo")
load(":common.bzl", "take_common")
load(":labels.bzl", "label_text")
load(":layer.bzl", "PLANNED_LAYER_ATTRS", "layer_action")
load(":manifest.bzl", "image_manifest")
load(":worker.bzl", "action_args")

_LAYER_ATTRS = PLANNED_LAYER_ATTRS | {
    "compact": attr.string(
        default = "enabled",
        values = ["auto", "disabled", "enabled"],
        doc = """Whether the layer is a recipe, from which its bytes are made while it is pushed; `auto` is the flag
`--@lading//rules/settings:compact_layers`.""",
    ),
    "nars": attr.label_list(allow_files = [".nar"], doc = "The archives of the objects, `BASE.nar`; without them, `store` holds the objects."),
    "paths": attr.string_dict(mandatory = True, doc = "Base name of an object to `HEX:SIZE`, sha256 and size of its archive."),
    "store": attr.string(mandatory = True, doc = "Where the objects lie in the image."),
    "store_root": attr.string(doc = "Where the objects are on this machine."),
}

# The store is no input that Bazel knows, but each object has the hash that the action is told.
_FROM_STORE = {"no-remote-exec": "1", "no-sandbox": "1"}

def _layer_impl(ctx):
    args = action_args(ctx)
    nars = {file.basename.removesuffix(".nar"): file for file in ctx.files.nars}
    for base, expected in ctx.attr.paths.items():
        place = "%s/%s" % (ctx.attr.store, base)
        args.add("V\t%s\t%s" % (place, expected))
        if base in nars:
            args.add(nars[base], format = "N\t" + place + "\t%s")
        elif ctx.attr.store_root:
            args.add("O\t%s\t%s/%s" % (place, ctx.attr.store_root, base))
        else:
            fail("%s, nars: there is no %s.nar" % (label_text(ctx.label), base))
    return layer_action(
        ctx,
        args,
        depset(ctx.files.nars),
        compact = None if ctx.attr.compact == "auto" else ctx.attr.compact == "enabled",
        requirements = _FROM_STORE if ctx.attr.store_root else {},
    )

nix_layer = rule(
    implementation = _layer_impl,
    attrs = _LAYER_ATTRS,
    doc = """Objects of a Nix store as one layer. Owned by root, modes 0444 and 0555, dated one second after the epoch, as in
Nix's own store. An object that does not have its hash is an error.""",
    provides = [LayerInfo],
)

def _layers_impl(ctx):
    return [
        DefaultInfo(files = depset(transitive = [target[DefaultInfo].files for target in ctx.attr.layers])),
        LayersInfo(layers = [target[LayerInfo] for target in ctx.attr.layers]),
        NixClosureInfo(programs = ctx.attr.programs, roots = ctx.attr.roots),
    ]

nix_layers = rule(
    implementation = _layers_impl,
    attrs = {
        "layers": attr.label_list(mandatory = True, providers = [LayerInfo], doc = "Lowest first."),
        "programs": attr.string_dict(doc = "Name to path of the programs of the roots."),
        "roots": attr.string_list(doc = "The store paths that the image is for."),
    },
    doc = "The layers of one image that a closure was planned for.",
    provides = [LayersInfo, NixClosureInfo],
)

def _program_impl(ctx):
    info = ctx.attr.closure[NixClosureInfo]
    name = ctx.attr.program
    if name and name not in info.programs:
        fail("%s, program: %s has no %r in bin. There are: %s." % (
            label_text(ctx.label),
            label_text(ctx.attr.closure.label),
            name,
            ", ".join(sorted(info.programs)[:20]) or "none",
        ))
    if not name and len(info.programs) == 1:
        name = info.programs.keys()[0]
    path = ":".join([root + "/bin" for root in info.roots])
    return [ProgramInfo(
        cmd = [],
        entrypoint = [info.programs[name]] if name else [],
        env = {"PATH": path + (":${PATH:-/usr/bin:/bin}" if ctx.attr.on_base else "")} if info.programs else {},
        working_dir = "",
    )]

_nix_program = rule(
    implementation = _program_impl,
    attrs = {
        "closure": attr.label(mandatory = True, providers = [NixClosureInfo]),
        "on_base": attr.bool(),
        "program": attr.string(),
    },
    doc = "How a program of a closure is started.",
    provides = [ProgramInfo],
)

def nix_image(name, *, closure, program = "", base = None, layers = [], visibility = None, tags = None, testonly = None, **kwargs):
    """Declares an image of what Nix has built: an `image_manifest` with the closure's layers.

    `PATH` is the `bin` of the closure's roots, in front of the base's. The entrypoint is `program`, or the
    only program that the roots have. Attributes win over both.

    Args:
        name: string, name of the image.
        closure: label, an image that a `nix_closure` repository has planned: `@tools//:server`.
        program: string, name of a program in `bin` of a root, to start.
        base: label, the image to build on; a closure needs none.
        layers: list of labels, layers above the closure.
        visibility: list of labels, for all targets.
        tags: list of strings, Bazel tags for all targets.
        testonly: bool, for all targets.
        **kwargs: attributes of `image_manifest`; those of every rule, such as `target_compatible_with`, are for all targets.
    """
    common = {"tags": tags, "testonly": testonly, "visibility": visibility}
    every = common | take_common(kwargs)

    # A name for it, so that it may be a select().
    native.alias(
        name = name + ".closure",
        actual = closure,
        **common
    )
    _nix_program(
        name = name + ".program",
        closure = ":%s.closure" % name,
        on_base = bool(base),
        program = program,
        **every
    )
    image_manifest(
        name = name,
        base = base,
        layers = [":%s.closure" % name] + layers,
        program = ":%s.program" % name,
        **(every | kwargs)
    )
