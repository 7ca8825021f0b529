"""empty_layer: the layer of an artifact that has no content of its own."""

load("//rules:providers.bzl", "LayerInfo", "LayersInfo")
load(":layer_providers.bzl", "layer_providers")

_DOC = """The specification's empty layer, two bytes that stand for nothing.

A manifest has to have a layer, so an artifact that is all config or annotations has this one
(image-spec 1.1, manifest.md, "Guidance for an Empty Descriptor"). An image needs none: an
`image_layer` without `srcs` is a layer without files.
"""

_MEDIA_TYPE = "application/vnd.oci.empty.v1+json"
_DIGEST = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

def _impl(ctx):
    blob = ctx.actions.declare_file(ctx.label.name + ".json")
    ctx.actions.write(blob, "{}")
    metadata = ctx.actions.declare_file(ctx.label.name + ".metadata.json")
    ctx.actions.write(metadata, json.encode({
        "annotations": {},
        "diff_id": _DIGEST,
        "digest": _DIGEST,
        "history": {"created": "1970-01-01T00:00:00Z", "created_by": "lading empty_layer"},
        "mediaType": _MEDIA_TYPE,
        "size": 2,
        "uncompressed_size": 2,
    }) + "\n")
    return layer_providers(LayerInfo(blob = blob, media_type = _MEDIA_TYPE, metadata = metadata))

empty_layer = rule(
    implementation = _impl,
    doc = _DOC,
    provides = [LayerInfo, LayersInfo],
)
