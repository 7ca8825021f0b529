"""deb_package: one locked Debian package, fetched from the machine's mirror when it is needed."""

load(":deb_sources.bzl", "find_mirrors")

_BUILD = """\
# One Debian package, as locked in {lock}.
filegroup(
    name = "deb",
    srcs = ["{file}"],
    visibility = ["//visibility:public"],
)
"""

_ATTRS = {
    "archive": attr.string(mandatory = True, values = ["debian", "security"], doc = "The archive it is in."),
    "lock": attr.string(mandatory = True, doc = "The lock file, as messages name it."),
    "lock_command": attr.string(mandatory = True, doc = "The command that renews the lock."),
    "path": attr.string(mandatory = True, doc = "Where the .deb is below a mirror of the archive."),
    "sha256": attr.string(mandatory = True, doc = "Hash of the .deb, in hex."),
    "suite": attr.string(mandatory = True, doc = "The suite that was locked."),
}

_FETCH = "import sys, urllib.request; urllib.request.urlretrieve(*sys.argv[1:])"
_PROBE_SECONDS = 60

def _impl(rctx):
    file = rctx.attr.path.rpartition("/")[2]
    mirrors = find_mirrors(rctx)
    mirrors = mirrors.security if rctx.attr.archive == "security" else mirrors.debian
    if not mirrors:
        fail("no mirror of the archive '%s' for %s: %s is not set and apt has no such source\n  %s" % (
            rctx.attr.archive,
            file,
            "LADING_DEBIAN_MIRROR",
            "set LADING_DEBIAN_MIRROR to the base address of a Debian mirror",
        ))
    download = rctx.download(
        url = [mirror + "/" + rctx.attr.path for mirror in mirrors],
        output = file,
        sha256 = rctx.attr.sha256,
        allow_fail = True,
    )
    if not download.success:
        fail(_reason(rctx, mirrors, file))
    rctx.file("BUILD.bazel", _BUILD.format(file = file, lock = rctx.attr.lock), executable = False)

def _reason(rctx, mirrors, file):
    """Finds out why a download failed: Bazel says only that it did."""
    for mirror in mirrors:
        sha256 = _probe(rctx, mirror + "/" + rctx.attr.path)
        if sha256:
            return "%s of the mirror has sha256 %s..., not %s... as locked\n  the mirror is damaged or the lock was edited: set another LADING_DEBIAN_MIRROR, or run: %s" % (
                file,
                sha256[:16],
                rctx.attr.sha256[:16],
                rctx.attr.lock_command,
            )
    suite = rctx.attr.suite + ("-security" if rctx.attr.archive == "security" else "")
    for mirror in mirrors:
        if _probe(rctx, "%s/dists/%s/InRelease" % (mirror, suite)):
            return "%s is gone from the Debian mirror: a newer version has replaced it\n  run: %s" % (
                file,
                rctx.attr.lock_command,
            )
    return "%s cannot be fetched: %s does not answer for the Debian suite %s\n  check the network, or set LADING_DEBIAN_MIRROR to the base address of a mirror; if the suite has moved, run: %s" % (
        file,
        " or ".join(mirrors),
        suite,
        rctx.attr.lock_command,
    )

def _probe(rctx, url):
    """Fetches `url` without expecting anything; returns its sha256, or "" if it is not there.

    Bazel refuses plain http without a checksum, so a tool has to fetch what is only looked at.
    """
    target = str(rctx.path("rejected"))
    if url.startswith("http://"):
        python, curl = rctx.which("python3"), rctx.which("curl")
        if python:
            rctx.execute([python, "-I", "-c", _FETCH, url, target], timeout = _PROBE_SECONDS)
        elif curl:
            rctx.execute([curl, "-sSfL", "-o", target, url], timeout = _PROBE_SECONDS)
        url = "file://" + target
        if not rctx.path("rejected").exists:
            return ""
    answer = rctx.download(url = url, output = "probed", allow_fail = True)
    rctx.delete("rejected")
    rctx.delete("probed")
    return answer.sha256 if answer.success else ""

deb_package = repository_rule(
    implementation = _impl,
    attrs = _ATTRS,
    doc = "One .deb, fetched by its hash.",
)
