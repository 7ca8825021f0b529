"""nix_closure: a closure of Nix as a repository, planned into layers."""

load(":host_python.bzl", "run_tool")
load(":labels.bzl", "apparent_name")

_DOC = """The closure of what Nix builds, in layers.

    nix_closure = use_repo_rule("@lading//rules:nix.bzl", "nix_closure")
    nix_closure(
        name = "tools",
        file = "//:default.nix",
        images = {"server": ["server"], "worker": ["worker"]},
    )

`@tools//:server` then is what `nix_image(closure = ...)` takes. One of these says what is in it:

- `file`, a Nix file, or `flake`, a `flake.nix`: built by Nix on this machine, and read from its store;
- `export`, what `nix-store --export $(nix-store -qR PATH)` has written: no Nix is needed;
- `graph`, what `nix path-info --json --recursive PATH` has printed: the objects are in a store on this
  machine already, and only read.

Objects are placed in layers by which images need them, how many others depend on them, and how large
they are; what most need is lowest. Every object is checked against its hash when its layer is built.
"""

# Systems as Nix calls them, and the constraint of @platforms//cpu that each stands for.
_SYSTEMS = {
    "aarch64-linux": "aarch64",
    "armv7l-linux": "armv7",
    "i686-linux": "x86_32",
    "powerpc64le-linux": "ppc64le",
    "riscv64-linux": "riscv64",
    "x86_64-linux": "x86_64",
}

_ATTRS = {
    "budget": attr.int(default = 10, doc = "Most layers of an image: 1 to 127."),
    "export": attr.label(allow_single_file = True, doc = "What `nix-store --export` has written."),
    "file": attr.label(allow_single_file = [".nix"], doc = "A Nix file; roots are its attributes, none means its own value."),
    "flake": attr.label(allow_single_file = ["flake.nix"], doc = "A `flake.nix`; roots are its attributes, none means its default."),
    "graph": attr.label(allow_single_file = [".json"], doc = "What `nix path-info --json --recursive` has printed."),
    "images": attr.string_list_dict(
        default = {"closure": []},
        doc = """Image to its roots: attributes of `file` or `flake`; else store paths or names such as `hello-2.12` or `hello`,
and none means all that nothing else refers to.""",
    ),
    "nix": attr.string(default = "nix", doc = "The program `nix`, by name or path; `nix-build` is beside it."),
    "srcs": attr.label_list(allow_files = True, doc = "What else the Nix file reads: a change of one builds again."),
    "store_dir": attr.string(default = "/nix/store", doc = "The store directory, the same here and in images."),
    "system": attr.string(
        values = [""] + sorted(_SYSTEMS),
        doc = """What the closure is for, so that no image for another platform holds it. By default this machine's system where Nix
builds the closure, and any where it was exported.""",
    ),
    "store_root": attr.string(doc = "Where the store directory really is, for a store in a root of its own."),
}

_HEADER = """\
# Made by nix_closure(name = {name}).
load("{rules}", "nix_layer", "nix_layers")

package(default_visibility = ["//visibility:public"])
"""

_LAYER = """
nix_layer(
    name = {name},
    nars = {nars},
    paths = {paths},
    store = {store},
    store_root = {store_root},
)
"""

_IMAGE = """
nix_layers(
    name = {name},
    layers = {layers},
    programs = {programs},
    roots = {roots},
    target_compatible_with = {compatible},
)
"""

_SOURCES = ["export", "file", "flake", "graph"]

def _impl(rctx):
    name = apparent_name(rctx)
    what = "nix_closure(name = %r)" % name
    given = [source for source in _SOURCES if getattr(rctx.attr, source)]
    if len(given) != 1:
        fail("%s: %s\n  set one of %s" % (what, "%s are set" % " and ".join(given) if given else "nothing says what is in it", ", ".join(_SOURCES)))
    for image in rctx.attr.images:
        if not image or image.strip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."):
            fail("%s, images: %r cannot be the name of a target" % (what, image))
    arguments = [
        "--budget=%d" % rctx.attr.budget,
        "--images=" + json.encode(rctx.attr.images),
        "--store_dir=" + rctx.attr.store_dir,
        "--what=" + what,
    ]
    if rctx.attr.store_root:
        arguments.append("--store_root=" + rctx.attr.store_root)
    for source in rctx.attr.srcs:
        rctx.watch(source)
    path = rctx.path(getattr(rctx.attr, given[0]))
    if given[0] == "export":
        # The tool makes files only where it is told to; the directory is Bazel's to make.
        rctx.file("nars/.keep", "")
        arguments += ["--export=%s" % path, "--directory=%s" % rctx.path("nars")]
    elif given[0] == "graph":
        arguments.append("--graph=%s" % path)
    else:
        arguments += [
            "--%s=%s" % (given[0], path.dirname if given[0] == "flake" else path),
            "--link=%s" % rctx.path("result"),
            "--nix=%s" % _nix(rctx, what),
        ]
    rctx.watch(path)
    rctx.report_progress("Building with Nix" if given[0] in ("file", "flake") else "Planning layers")
    plan = json.decode(run_tool(rctx, "lading.actions.nix_closure", arguments))
    compatible = _constraints(rctx, given[0] in ("file", "flake"))
    rctx.file("BUILD.bazel", _build(rctx, name, plan, given[0] == "export", compatible), executable = False)

def _nix(rctx, what):
    path = rctx.attr.nix if "/" in rctx.attr.nix else rctx.which(rctx.attr.nix)
    if not path:
        fail("%s: there is no %s on PATH\n  install Nix, set `nix` to its path, or use `export`, which needs none" % (what, rctx.attr.nix))
    return path

def _constraints(rctx, built):
    """The constraints of the platform that the closure is for; none where that is not known."""
    system = rctx.attr.system
    if not system and built:
        arch = {"amd64": "x86_64", "arm64": "aarch64"}.get(rctx.os.arch, rctx.os.arch)
        system = "%s-%s" % (arch, rctx.os.name)
    if system not in _SYSTEMS:
        return []
    return [str(Label("@platforms//cpu:" + _SYSTEMS[system])), str(Label("@platforms//os:linux"))]

def _build(rctx, name, plan, exported, compatible):
    parts = [_HEADER.format(name = repr(name), rules = str(Label("//rules/private:nix.bzl")))]
    for layer, paths in plan["layers"].items():
        parts.append(_LAYER.format(
            name = repr("layers/" + layer),
            nars = _literal(["nars/%s.nar" % base for base in paths] if exported else []),
            paths = _literal(paths),
            store = repr(plan["store"]),
            store_root = repr("" if exported else (rctx.attr.store_root or plan["store"])),
        ))
    for image, value in plan["images"].items():
        parts.append(_IMAGE.format(
            name = repr(image),
            layers = _literal([":layers/" + layer for layer in value["layers"]]),
            programs = _literal(value["programs"]),
            roots = _literal(value["roots"]),
            compatible = _literal(compatible),
        ))
    return "".join(parts)

def _literal(items):
    return json.encode_indent(items, prefix = "    ", indent = "    ")

nix_closure = repository_rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = _DOC,
    # Nix has its own ways to be told where its store is.
    environ = ["NIX_REMOTE", "NIX_CONFIG", "NIX_PATH", "NIX_STORE_DIR", "NIX_STATE_DIR"],
)
