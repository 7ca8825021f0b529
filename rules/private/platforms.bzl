"""Which OCI platform a target is built for, read from Bazel's platform constraints."""

load(":labels.bzl", "label_text")

# GOOS by @platforms//os value and (GOARCH, variant) by @platforms//cpu value: image-spec 1.1,
# image-index.md, "platform", and its table of variants.
OS = {
    "@platforms//os:freebsd": "freebsd",
    "@platforms//os:linux": "linux",
    "@platforms//os:netbsd": "netbsd",
    "@platforms//os:openbsd": "openbsd",
    "@platforms//os:osx": "darwin",
    "@platforms//os:windows": "windows",
}

ARCHITECTURES = {
    "@platforms//cpu:aarch64": ("arm64", "v8"),
    "@platforms//cpu:aarch32": ("arm", "v7"),
    "@platforms//cpu:armv7": ("arm", "v7"),
    "@platforms//cpu:i386": ("386", ""),
    "@platforms//cpu:mips64": ("mips64", ""),
    "@platforms//cpu:ppc64le": ("ppc64le", ""),
    "@platforms//cpu:riscv64": ("riscv64", ""),
    "@platforms//cpu:s390x": ("s390x", ""),
    "@platforms//cpu:wasm32": ("wasm", ""),
    "@platforms//cpu:x86_64": ("amd64", ""),
}

# Variants that a platform names with a constraint of rules/platforms, by architecture. The
# specification has v5 to v8 for arm and v8 for arm64; Go, and so every engine, has the others.
VARIANTS = {
    "//rules/platforms:amd64_v1": "amd64/v1",
    "//rules/platforms:amd64_v2": "amd64/v2",
    "//rules/platforms:amd64_v3": "amd64/v3",
    "//rules/platforms:amd64_v4": "amd64/v4",
    "//rules/platforms:arm64_v8": "arm64/v8",
    "//rules/platforms:arm64_v9": "arm64/v9",
    "//rules/platforms:arm_v5": "arm/v5",
    "//rules/platforms:arm_v6": "arm/v6",
    "//rules/platforms:arm_v7": "arm/v7",
    "//rules/platforms:arm_v8": "arm/v8",
}

PLATFORM_ATTRS = {
    "_os_constraints": attr.label_keyed_string_dict(default = OS, providers = [platform_common.ConstraintValueInfo]),
    "_cpu_constraints": attr.label_keyed_string_dict(
        default = {label: "/".join(pair) for label, pair in ARCHITECTURES.items()},
        providers = [platform_common.ConstraintValueInfo],
    ),
    "_variant_constraints": attr.label_keyed_string_dict(default = VARIANTS, providers = [platform_common.ConstraintValueInfo]),
}

def target_platform(ctx):
    """The OCI platform of the current configuration.

    Args:
        ctx: the context of a rule that has PLATFORM_ATTRS.

    Returns:
        struct(os, architecture, variant); the variant may be empty.
    """
    os = _matching(ctx, ctx.attr._os_constraints)
    cpu = _matching(ctx, ctx.attr._cpu_constraints)
    if not os or not cpu:
        fail("%s: the target platform has no known %s. Build for a platform with one of: %s." % (
            label_text(ctx.label),
            "operating system" if not os else "CPU",
            ", ".join(sorted(OS if not os else ARCHITECTURES)),
        ))
    architecture, _, variant = cpu.partition("/")
    named = _matching(ctx, ctx.attr._variant_constraints)
    if named:
        for_architecture, _, variant = named.partition("/")
        if for_architecture != architecture:
            fail("%s: the target platform is for %s, but its variant is %s. Remove one of the two constraints." % (label_text(ctx.label), architecture, named))
    return struct(os = os, architecture = architecture, variant = variant)

def platform_fields(platform):
    """The fields of an ImageManifestInfo that say what it is for.

    Args:
        platform: struct(os, architecture, variant).

    Returns:
        dict: the struct, and what is in it by itself, as rules_img has it.
    """
    return {
        "architecture": platform.architecture,
        "os": platform.os,
        "platform": platform,
        "variant": platform.variant,
    }

def platform_name(platform):
    """`os/architecture[/variant]`.

    Args:
        platform: struct(os, architecture, variant).

    Returns:
        string.
    """
    return "/".join([word for word in (platform.os, platform.architecture, platform.variant) if word])

def _matching(ctx, constraints):
    for target, name in constraints.items():
        if ctx.target_platform_has_constraint(target[platform_common.ConstraintValueInfo]):
            return name
    return None
