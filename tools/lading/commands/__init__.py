"""Entry points of `bazel run` targets."""
