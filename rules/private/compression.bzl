"""How layers are compressed: what their files and media types are called, and how hard is tried."""

load("@bazel_skylib//rules:common_settings.bzl", "BuildSettingInfo")

# By the values of `compress`.
EXTENSION = {
    "gzip": ".tar.gz",
    "none": ".tar",
    "zstd": ".tar.zst",
}
MEDIA_TYPE = {
    "gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "none": "application/vnd.oci.image.layer.v1.tar",
    "zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
}

def profile_of(ctx):
    """The compression profile that the flags choose.

    Args:
        ctx: the context of a rule that has `_profile`, the setting.

    Returns:
        string: fast, small or smallest.
    """
    profile = ctx.attr._profile[BuildSettingInfo].value
    if profile != "auto":
        return profile
    return "small" if ctx.var["COMPILATION_MODE"] == "opt" else "fast"
