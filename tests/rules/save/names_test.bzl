"""Unit tests of the names of stored images, in Bazel's own Starlark."""

load("@bazel_skylib//lib:unittest.bzl", "asserts", "unittest")
load("//rules/private:store_names.bzl", "image_name_error", "nearest_image_name")  # buildifier: disable=bzl-visibility

_VALID = [
    "a-b-1-c",
    "beast2-ubuntu-24.04-x86",
    "capy-ubuntu-24.04-base",
    "capy-ubuntu-24.04-gcc13-cov",
    "capy-ubuntu-24.04-gcc13.2",
    "capy-ubuntu-25.04-clang20-asan",
    "my-app-debian-13-clang18-gcc14-asan-ubsan",
]

# Each with its nearest valid name, empty if there is none.
_INVALID = {
    "": "",
    "../capy-ubuntu-24.04-base": "capy-ubuntu-24.04-base",
    "Capy_Ubuntu_24.04_GCC-13": "capy-ubuntu-24.04-gcc13",
    "a-b-1-c-2-d": "",
    "capy ubuntu:24.04 gcc 13": "capy-ubuntu-24.04-gcc13",
    "capy-ubuntu-24.04": "capy-ubuntu-24.04-base",
    "capy-ubuntu-24.04-asan-clang20": "capy-ubuntu-24.04-clang20-asan",
    "capy-ubuntu-24.04-base\n": "capy-ubuntu-24.04-base",
    "capy-ubuntu-24.04-ubsan-asan-asan": "capy-ubuntu-24.04-asan-ubsan",
    "capy-ubuntu-gcc13": "",
    "capy-ubuntu24.04-gcc13": "capy-ubuntu-24.04-gcc13",
    "ubuntu-24.04-gcc13": "",
}

def _impl(ctx):
    env = unittest.begin(ctx)
    for name in _VALID:
        asserts.equals(env, "", image_name_error(name), name)
        asserts.equals(env, name, nearest_image_name(name), name)
    for name, nearest in _INVALID.items():
        asserts.true(env, image_name_error(name) != "", name)
        asserts.equals(env, nearest, nearest_image_name(name), name)
    return unittest.end(env)

names_test = unittest.make(_impl)
