"""Values that are known late: build settings and the workspace status, for `{{.NAME}}` templates.

What ends up in a digest is filled in by the action that makes it; tags and repositories are filled
in when a command runs, so a status that Bazel does not count as a change is never an old one there.
"""

load("@bazel_skylib//rules:common_settings.bzl", "BuildSettingInfo")
load(":labels.bzl", "label_text")

BazelStampInfo = provider(
    doc = "Whether Bazel runs with `--stamp`.",
    fields = {"stamp": "bool."},
)

STAMP_ATTRS = {
    "build_settings": attr.string_keyed_label_dict(
        providers = [BuildSettingInfo],
        doc = "Name to build setting: `{{.NAME}}` in a template is its value.",
    ),
    "stamp": attr.string(
        default = "auto",
        values = ["auto", "disabled", "enabled", "force"],
        doc = """Whether templates know the keys of `--workspace_status_command`: `enabled` when Bazel
runs with `--stamp`, `force` always, `disabled` never, `auto` as `--@lading//rules/settings:stamp` says.""",
    ),
    "_bazel_stamp": attr.label(default = "//rules/settings:bazel_stamp"),
    "_stamp": attr.label(default = "//rules/settings:stamp"),
}

def build_setting_values(ctx):
    """The values of `build_settings`.

    Args:
        ctx: the context of a rule that has STAMP_ATTRS.

    Returns:
        dict of name to string, bool or int, which conditions of templates tell apart.
    """
    values = {}
    for name, target in ctx.attr.build_settings.items():
        value = target[BuildSettingInfo].value
        if type(value) in ("list", "dict"):
            fail("%s, build_settings[%r]: %s is a %s. Name a string, bool or int flag." % (label_text(ctx.label), name, label_text(target.label), type(value)))
        values[name] = value
    return values

def stamps(ctx):
    """Whether templates know the workspace status.

    Args:
        ctx: the context of a rule that has STAMP_ATTRS.

    Returns:
        bool.
    """
    stamp = ctx.attr.stamp
    if stamp == "auto":
        stamp = ctx.attr._stamp[BuildSettingInfo].value
    return stamp == "force" or (stamp != "disabled" and ctx.attr._bazel_stamp[BazelStampInfo].stamp)

def status_files(ctx, texts, files = []):
    """The workspace status files that an action has to read.

    An action that reads them runs again whenever a STABLE_ key changes, so they are left out
    where nothing could use them.

    Args:
        ctx: the context of a rule that has STAMP_ATTRS.
        texts: list of strings that may be templates.
        files: list of File that may hold templates.

    Returns:
        list of File; the later wins.
    """
    if not stamps(ctx) or not (files or has_template(texts)):
        return []
    return [ctx.info_file, ctx.version_file]

def has_template(texts):
    """Whether any of `texts` is a template.

    Args:
        texts: list of strings.

    Returns:
        bool.
    """
    return any(["{{" in text for text in texts])

def _bazel_stamp_impl(ctx):
    return [BazelStampInfo(stamp = ctx.attr.value)]

bazel_stamp = rule(
    implementation = _bazel_stamp_impl,
    attrs = {"value": attr.bool(mandatory = True, doc = "The value, by a select on `--stamp`.")},
    doc = "Tells rules whether Bazel runs with `--stamp`.",
)
