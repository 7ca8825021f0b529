"""pytest_test: a test target that runs pytest."""

load("@rules_python//python:defs.bzl", "py_test")

def pytest_test(name, srcs, deps = [], data = [], args = [], size = "small", **kwargs):
    """Declares a test that runs pytest on `srcs`.

    `--test_filter=EXPRESSION` is pytest's `-k EXPRESSION`; `shard_count` spreads the tests;
    `--test_arg=--pdb` and the like reach pytest. Temporary files go to Bazel's, results to its XML.

    Args:
        name: string.
        srcs: list of labels, the test modules; helpers they import belong in `deps`.
        deps: list of labels, Python libraries.
        data: list of labels, files the tests read.
        args: list of strings, arguments for pytest.
        size: string, Bazel's test size.
        **kwargs: what else py_test takes.
    """
    py_test(
        name = name,
        size = size,
        srcs = srcs + ["//tests:pytest_main.py"],
        args = ["--tests=$(rootpaths %s)" % src for src in srcs] + args,
        data = data + srcs + ["//:pyproject.toml"],
        main = "//tests:pytest_main.py",
        deps = deps + ["@pypi//pytest"],
        **kwargs
    )
