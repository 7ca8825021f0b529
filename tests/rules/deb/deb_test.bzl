"""Where packages come from, and how their repositories are called."""

load("@bazel_skylib//lib:unittest.bzl", "asserts", "unittest")
load("//rules/private:deb_hub.bzl", "package_repository")  # buildifier: disable=bzl-visibility
load("//rules/private:deb_sources.bzl", "find_mirrors", "parse_deb822", "parse_one_line")  # buildifier: disable=bzl-visibility

def _one_line_test_impl(ctx):
    env = unittest.begin(ctx)
    asserts.equals(env, [
        ("http://a.example.org/debian", "trixie"),
        ("http://a.example.org/debian", "trixie-updates"),
        ("http://s.example.org/debian-security", "trixie-security"),
    ], parse_one_line("\n".join([
        "# deb http://old.example.org/debian trixie main",
        "deb [arch=amd64 signed-by=/k.gpg] http://a.example.org/debian/ trixie main contrib",
        "deb-src http://src.example.org/debian trixie main",
        "deb\thttp://a.example.org/debian trixie-updates main # twice the same",
        "deb http://s.example.org/debian-security trixie-security main",
        "",
    ])))
    return unittest.end(env)

def _deb822_test_impl(ctx):
    env = unittest.begin(ctx)
    asserts.equals(env, [
        ("http://a.example.org/debian", "bookworm"),
        ("http://a.example.org/debian", "bookworm-updates"),
        ("http://b.example.org/debian", "bookworm"),
        ("http://b.example.org/debian", "bookworm-updates"),
        ("http://s.example.org/sec", "bookworm-security"),
    ], parse_deb822("\n".join([
        "Types: deb deb-src",
        "# a comment",
        "URIs: http://a.example.org/debian",
        "  http://b.example.org/debian/",
        "Suites: bookworm bookworm-updates",
        "Components: main",
        "",
        "Types: deb",
        "URIs: http://s.example.org/sec",
        "Suites: bookworm-security/",
        "Components: main",
        "",
        "Enabled: no",
        "Types: deb",
        "URIs: http://off.example.org/debian",
        "Suites: trixie",
        "Components: main",
    ])))
    return unittest.end(env)

def _other_vendors_test_impl(ctx):
    env = unittest.begin(ctx)
    for line in [
        "deb cdrom:[Debian]/ trixie main",
        "deb http://x.example.org/a ./",
        "deb https://x.example.org/linux/debian trixie stable",
        "deb https://x.example.org/pg trixie-pgdg main",
    ]:
        asserts.equals(env, [], parse_one_line(line))
    asserts.equals(env, [], parse_deb822("Types: deb\nURIs: https://x.example.org\nSuites: node_20.x\n"))
    return unittest.end(env)

def _environment_test_impl(ctx):
    env = unittest.begin(ctx)
    values = {"LADING_DEBIAN_MIRROR": "http://a.example.org/debian/  http://b.example.org/d"}
    found = find_mirrors(struct(getenv = values.get))
    asserts.equals(env, ["http://a.example.org/debian", "http://b.example.org/d"], found.debian)
    asserts.equals(env, ["http://a.example.org/debian-security", "http://b.example.org/d-security"], found.security)
    values["LADING_DEBIAN_SECURITY_MIRROR"] = "http://s.example.org/sec"
    asserts.equals(env, ["http://s.example.org/sec"], find_mirrors(struct(getenv = values.get)).security)
    return unittest.end(env)

def _repository_test_impl(ctx):
    env = unittest.begin(ctx)
    asserts.equals(env, "debian_amd64_libstdc__6", package_repository("debian", "amd64", "libstdc++6"))
    return unittest.end(env)

_one_line_test = unittest.make(_one_line_test_impl)
_deb822_test = unittest.make(_deb822_test_impl)
_other_vendors_test = unittest.make(_other_vendors_test_impl)
_environment_test = unittest.make(_environment_test_impl)
_repository_test = unittest.make(_repository_test_impl)

def deb_test_suite(name):
    """Declares the tests and a suite of them.

    Args:
        name: string.
    """
    unittest.suite(
        name,
        _one_line_test,
        _deb822_test,
        _other_vendors_test,
        _environment_test,
        _repository_test,
    )
