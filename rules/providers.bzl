"""Providers that lading's rules exchange. Rules of your own may read and return them."""

LayerInfo = provider(
    doc = "One layer of an image: the compressed blob and what has to be known about it.",
    fields = {
        "blob": "File: the layer blob as it is pushed. None for a layer of a shallow base.",
        "inputs": "depset of File: what a recipe needs; empty, or absent, without one.",
        "metadata": "File: JSON with mediaType, digest, size, diff_id, uncompressed_size, annotations and history.",
        "media_type": "string: the layer's media type, known before the layer is built.",
        "mtree": "File: the layer's entries as mtree(5); absent for one that is not built here.",
        "recipe": "File: what the layer is made from while it is pushed or loaded; None, or absent, for one that is a file.",
        "ztoc": "LayerInfo of the layer's zTOC; None, or absent, without one.",
    },
)

LayersInfo = provider(
    doc = "Layers that belong together, such as those of one program. Every rule that makes layers returns it, also for a single one.",
    fields = {"layers": "list of LayerInfo, lowest first."},
)

LayerPlanInfo = provider(
    doc = "Shared layers of a set of programs.",
    fields = {
        "files": "dict with every File in a shared layer as key.",
        "layers": "dict of the label of a program to its list of LayerInfo, lowest first.",
    },
)

ImageManifestInfo = provider(
    doc = "An image for one platform.",
    fields = {
        "architecture": "string: GOARCH, as in `platform`.",
        "config": "File: the image config.",
        "descriptor": "File: JSON descriptor of the manifest, with its platform.",
        "digest": "File: `sha256:...` of the manifest, without a newline.",
        "layers": "list of LayerInfo, lowest first, those of the base included except what `layouts` hold.",
        "layouts": "list of File: OCI layout directories of imported bases; their layers are in no `layers`.",
        "manifest": "File: the image manifest.",
        "os": "string: GOOS, as in `platform`.",
        "platform": "struct(os, architecture, variant).",
        "soci": "ImageManifestInfo of the SOCI index; None, or absent, without one.",
        "sources": "list of struct(registry, repository): where layers without a blob are fetched.",
        "variant": "string: the CPU's variant, as in `platform`; may be empty.",
    },
)

ImageIndexInfo = provider(
    doc = "An image for several platforms.",
    fields = {
        "descriptor": "File: JSON descriptor of the index.",
        "digest": "File: `sha256:...` of the index, without a newline.",
        "index": "File: the image index.",
        "manifests": "list of ImageManifestInfo, in the order of the index.",
    },
)

NixClosureInfo = provider(
    doc = "What an image of a Nix closure is for.",
    fields = {
        "programs": "dict of the name of a program of the roots to its path in the image.",
        "roots": "list of strings: store paths.",
    },
)

ProgramInfo = provider(
    doc = "How a program in an image is started.",
    fields = {
        "cmd": "list of strings: default arguments.",
        "entrypoint": "list of strings: the program's path in the image.",
        "env": "dict of string to string: its environment.",
        "working_dir": "string: the directory it starts in; empty for the image's own.",
    },
)

DeployInfo = provider(
    doc = "What a target does with images when it is run: what `multi_deploy` puts together.",
    fields = {
        "operations": """list of struct, in order: the fields of DeploySpecInfo, and `image`, an ImageManifestInfo or
ImageIndexInfo, and `label`, a string that names the target in messages.""",
    },
)

DeploySpecInfo = provider(
    doc = "Where images go, without naming one: what `push_specs` and `load_specs` take.",
    fields = {
        "build_settings": "dict of string to string, bool or int: values that templates know.",
        "destination_file": "File with `registry/repository`, or None.",
        "kind": "`push` or `load`.",
        "referrers": "list of ImageManifestInfo or ImageIndexInfo.",
        "settings": "dict of JSON values: the rule's part of the deploy specification.",
        "status_files": "list of File: workspace status, for templates.",
        "strategy": "`auto`, `eager` or `lazy`.",
        "tag_file": "File with tags, or None.",
    },
)
