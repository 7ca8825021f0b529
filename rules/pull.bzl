"""Base images from registries: the repository rule `pull`."""

load("//rules/private:pull.bzl", _pull = "pull")

pull = _pull
