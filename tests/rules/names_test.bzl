"""Unit tests of the names that are checked in the loading and analysis phases."""

load("@bazel_skylib//lib:unittest.bzl", "asserts", "unittest")
load("//rules/private:image.bzl", "misplaced_tags")  # buildifier: disable=bzl-visibility
load("//rules/private:names.bzl", "name_error", "repository_error", "tag_error")  # buildifier: disable=bzl-visibility

def _repositories_impl(ctx):
    env = unittest.begin(ctx)
    for name in ("a", "app", "team/app", "a.b_c__d-e---f/0", "x--y"):
        asserts.equals(env, "", repository_error(name), name)
    for name in ("", "/", "a/", "/a", "a//b", "A", "a_", "-a", "a..b", "a___b", "a._b", "a b", "a\n", "ä"):
        asserts.true(env, repository_error(name) != "", name)
    return unittest.end(env)

_repositories_test = unittest.make(_repositories_impl)

def _tags_impl(ctx):
    env = unittest.begin(ctx)
    for tag in ("latest", "v1.0", "_x", "A-b.c", "9" * 128):
        asserts.equals(env, "", tag_error(tag), tag)
    for tag in ("", ".x", "-x", "a b", "a/b", "a:b", "a\n", "9" * 129):
        asserts.true(env, tag_error(tag) != "", tag)
    return unittest.end(env)

_tags_test = unittest.make(_tags_impl)

def _names_impl(ctx):
    env = unittest.begin(ctx)
    for name in ("app", "app:dev", "team/app:dev", "localhost/app", "localhost:5000/team/app", "Example.com:5000/app:V1"):
        asserts.equals(env, "", name_error(name), name)
    for name in ("", ":dev", "app:", "App", "team/App:dev", "localhost:5000/", "app:a:b", "team//app"):
        asserts.true(env, name_error(name) != "", name)
    return unittest.end(env)

_names_test = unittest.make(_names_impl)

def _misplaced_tags_impl(ctx):
    env = unittest.begin(ctx)
    asserts.equals(env, "", misplaced_tags({"entrypoint": ["/server"], "labels": {}}))
    for attributes in ({"tag": "v1"}, {"cmd": [], "tag_list": ["v1", "v2"]}):
        asserts.true(env, "tags_to_push = [...]" in misplaced_tags(attributes), str(attributes))
    return unittest.end(env)

_misplaced_tags_test = unittest.make(_misplaced_tags_impl)

def names_test_suite(name):
    """Declares the tests.

    Args:
        name: string, name of the suite.
    """
    unittest.suite(name, _misplaced_tags_test, _names_test, _repositories_test, _tags_test)
