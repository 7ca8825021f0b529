"""What the rules share that need a builder of this machine: its settings, honest tags, bases."""

load("@bazel_skylib//rules:common_settings.bzl", "BuildSettingInfo")
load(":compression.bzl", "profile_of")
load(":labels.bzl", "label_text")

NETWORKS = ["none", "default", "host"]

BUILDER_ATTRS = {
    "builder": attr.string(
        default = "auto",
        values = ["auto", "docker", "buildkit", "buildah"],
        doc = "What builds it; `auto` is the flag `--@lading//rules/settings:builder`.",
    ),
    "network": attr.string(
        default = "none",
        values = NETWORKS,
        doc = """What commands may reach: nothing, what the builder gives by default, or the machine's own network. With
any but `none` the action is never cached outside of this output tree.""",
    ),
    "extra_hosts": attr.string_dict(doc = "Names of hosts that commands know, and their addresses; `host-gateway` is the machine that builds."),
    "no_cache": attr.bool(doc = "Whether every command runs, whatever the builder remembers of earlier builds."),
    "secrets": attr.string_list(doc = """Names of secrets, for `RUN --mount=type=secret,id=NAME`. Their values are files of these names in the
directory that `--@lading//rules/settings:builder_secrets` names; they are no inputs: no action key, log or cache has them,
and a new value builds nothing anew."""),
    "shm_size": attr.string(doc = "Size of `/dev/shm` of commands, with `k`, `m` or `g`: `256m`."),
    "timeout": attr.int(default = 3600, doc = "Seconds after which the build is stopped with all that it started; 0 for never."),
    "ulimits": attr.string_dict(doc = "Limits of commands by name (`nofile`, `nproc`, `memlock`, ...): `SOFT` or `SOFT:HARD`; -1 is none."),
    "_address": attr.label(default = "//rules/settings:builder_address"),
    "_builder": attr.label(default = "//rules/settings:builder"),
    "_certificates": attr.label(default = "//rules/settings:builder_certificates"),
    "_compress": attr.label(default = "//rules/settings:compress"),
    "_compression_level": attr.label(default = "//rules/settings:compression_level"),
    "_profile": attr.label(default = "//rules/settings:profile"),
    "_secrets": attr.label(default = "//rules/settings:builder_secrets"),
}

def only_file(target, what):
    """The one file of a target: of a program the program, without runfiles.

    Args:
        target: Target.
        what: string, names target and attribute in the failure.

    Returns:
        File.
    """
    found = target.files.to_list()
    if len(found) == 1:
        return found[0]
    program = target[DefaultInfo].files_to_run.executable
    if program:
        return program
    fail("%s: %s has %d files. Name a target with one file or directory." % (what, label_text(target.label), len(found)))

def add_builder_flags(ctx, args):
    """Adds what the tools want to know about the builder and about compression.

    Args:
        ctx: the context of a rule that has BUILDER_ATTRS.
        args: Args.
    """
    builder = ctx.attr.builder
    if builder == "auto":
        builder = ctx.attr._builder[BuildSettingInfo].value
    args.add(builder, format = "--builder=%s")
    for flag, setting in (
        ("address", ctx.attr._address),
        ("certificates", ctx.attr._certificates),
        ("secrets", ctx.attr._secrets),
    ):
        value = setting[BuildSettingInfo].value
        if value:
            args.add("--%s=%s" % (flag, value))
    args.add_all(ctx.attr.secrets, format_each = "--secret=%s")
    args.add(ctx.attr.network, format = "--network=%s")
    args.add(ctx.attr.timeout, format = "--timeout=%s")
    if ctx.attr.no_cache:
        args.add("--no_cache=1")
    args.add_all(["--add_host=%s=%s" % pair for pair in ctx.attr.extra_hosts.items()])
    args.add_all(["--ulimit=%s=%s" % pair for pair in ctx.attr.ulimits.items()])
    if ctx.attr.shm_size:
        args.add(ctx.attr.shm_size, format = "--shm_size=%s")
    args.add(ctx.attr._compress[BuildSettingInfo].value, format = "--compression=%s")
    args.add(profile_of(ctx), format = "--profile=%s")
    if ctx.attr._compression_level[BuildSettingInfo].value >= 0:
        args.add(ctx.attr._compression_level[BuildSettingInfo].value, format = "--level=%s")

def builder_requirements(network, pulls):
    """How an action runs that is no pure function of its inputs. docs/dockerfile.md explains it.

    Args:
        network: string, one of NETWORKS.
        pulls: bool, whether the builder may fetch images, or results of other builds.

    Returns:
        dict of string to string, execution requirements.
    """

    # It talks to a daemon, or makes namespaces and mounts, so it is not sandboxed; it is not sent
    # elsewhere, and nobody gets what another's builder made from a remote cache unasked.
    requirements = {"no-remote": "1", "no-sandbox": "1"}
    if network != "none" or pulls:
        requirements |= {"no-cache": "1", "requires-network": "1"}
    return requirements

def add_base(args, name, target):
    """Adds a base image by name and returns the directory that holds it.

    Args:
        args: Args.
        name: string, what the Dockerfile calls it.
        target: Target with an image.

    Returns:
        File.
    """
    layout = target[OutputGroupInfo].oci_layout.to_list()[0]
    args.add("--base=%s\t%s" % (name, layout.path))
    return layout
