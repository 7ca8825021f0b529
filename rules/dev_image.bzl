"""Development images of a repository: `dev_image`."""

load("//rules/private:dev_image.bzl", _dev_image = "dev_image")

dev_image = _dev_image
