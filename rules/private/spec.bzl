"""image_push_spec, image_load_spec: where images go, without naming one; images name them."""

load("//rules:providers.bzl", "DeployInfo", "DeploySpecInfo")
load(":deploy.bzl", "TARGET_ATTRS", "operation_of", "spec_of")
load(":labels.bzl", "label_text")
load(":load.bzl", "LOAD_ATTRS", "load_settings")
load(":push.bzl", "PUSH_ATTRS", "push_settings")

_PUSH_DOC = """Where images are pushed. Attach it to images with their `push_specs`, and give those to
`multi_deploy`. Beside build settings, templates know `{{.image_target_name}}` and
`{{.image_target_package}}`, the name and the package of the image."""

_LOAD_DOC = """How images are loaded into a container engine. Attach it to images with their `load_specs`, and
give those to `multi_deploy`. Templates know what those of `image_push_spec` do."""

# What an image needs to carry specs.
SPEC_ATTRS = {
    "load_specs": attr.label_list(providers = [DeploySpecInfo], doc = "`image_load_spec` targets: what `multi_deploy` does with the image."),
    "push_specs": attr.label_list(providers = [DeploySpecInfo], doc = "`image_push_spec` targets: what `multi_deploy` does with the image."),
}

def spec_providers(ctx, info):
    """The operations that an image's specs stand for.

    Args:
        ctx: the context of a rule that has SPEC_ATTRS.
        info: the image's ImageManifestInfo or ImageIndexInfo.

    Returns:
        list of providers: a DeployInfo, or nothing for an image without specs.
    """
    operations = []
    known = {"image_target_name": ctx.label.name, "image_target_package": ctx.label.package}
    for kind, targets in {"push": ctx.attr.push_specs, "load": ctx.attr.load_specs}.items():
        for target in targets:
            spec = target[DeploySpecInfo]
            if spec.kind != kind:
                fail("%s, %s_specs: %s is an image_%s_spec." % (label_text(ctx.label), kind, label_text(target.label), spec.kind))
            operations.append(operation_of(ctx, spec, info, known))
    return [DeployInfo(operations = operations)] if operations else []

def _push_spec_impl(ctx):
    return [spec_of(ctx, "push", push_settings(ctx))]

def _load_spec_impl(ctx):
    return [spec_of(ctx, "load", load_settings(ctx))]

image_push_spec = rule(
    implementation = _push_spec_impl,
    attrs = TARGET_ATTRS | PUSH_ATTRS,
    doc = _PUSH_DOC,
    provides = [DeploySpecInfo],
)

image_load_spec = rule(
    implementation = _load_spec_impl,
    attrs = TARGET_ATTRS | LOAD_ATTRS,
    doc = _LOAD_DOC,
    provides = [DeploySpecInfo],
)
